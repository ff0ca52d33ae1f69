#!lua flags=allow-oom
-- Count what events say of tenants, campaigns and sources, and acknowledge those events: both, or neither.
-- A = { group, ids, rows, keep }  (<= 1000 ids)
--   rows  { { scope, hour, delivered, unknown, bounced, complained }... };  keep: seconds after its last count
-- A scope that has anything bad is marked to be judged. Returns 1; 0 when another had acknowledged some of these events,
-- who counted them: nothing is counted twice.
if call('XACK', P .. 'events', A[1], unpack(A[2])) < #A[2] then return 0 end
for _, row in ipairs(A[3]) do
  local key = P .. 'guard:' .. row[1]
  for i, kind in ipairs({ 'd', 'u', 'b', 'c' }) do
    if row[i + 2] > 0 then call('HINCRBY', key, number(row[2]) .. kind, row[i + 2]) end
  end
  call('EXPIRE', key, A[4])
  if row[4] + row[6] > 0 then call('HSET', key, 'bad', 1) end
  if row[4] + row[6] > 0 or call('HEXISTS', key, 'bad') == 1 then call('HINCRBY', P .. 'judged', row[1], 1) end
end
return 1
