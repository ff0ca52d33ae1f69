#!lua flags=allow-oom
-- parts: lanes
-- Close or open a scope, and let what waited behind it go on.
-- A = { op, scope, state, fields, expected }
--   op close: remember `state` (JSON) under the scope; fields = event
--   op swap:  the same where the state is as expected ("" = open), always with its event; else nothing
--   op open:  forget it, then bring back up to 200 of what it kept; call again while it returns > 0
-- scope  t|<tenant>, b|<tenant> (its bulk), c|<tenant>|<campaign>, s|<site>, x|<source>: lanes step aside
--        when their turn comes;
--        k|<tenant>|<campaign>: packs nobody has looked at stay in the store, what is in lanes goes;
--        d|<domain>, r|<recipient>, m|<tenant>|<message>: single messages are sieved out of what is drawn
-- Returns for close 1 (0 when it was closed before: the state is replaced, no second event); for swap 1 or 0;
-- for open the number brought back, -1 when the scope was not closed and nothing is parked.
local scope = A[2]
local single = string.find('drm', string.sub(scope, 1, 1), 1, true)
-- What producers read of a campaign says whether it waits, and why.
if string.find(scope, '^[ck]|') then call('SADD', P .. 'dirty', string.sub(scope, 3)) end
if A[1] == 'swap' then
  if (call('HGET', P .. 'gates', scope) or '') ~= A[5] then return 0 end
  call('HSET', P .. 'gates', scope, A[3])
  if single then call('HSET', P .. 'sieve', scope, 1) end
  if #A[4] > 0 then emit(A[4]) end
  return 1
end
if A[1] == 'close' then
  local fresh = call('HSET', P .. 'gates', scope, A[3])
  if single then call('HSET', P .. 'sieve', scope, 1) end
  if fresh == 1 and #A[4] > 0 then emit(A[4]) end
  return fresh
end
-- Until nothing is parked any more the scope stands in `opening`: a keeper finishes what a dead process began.
call('SADD', P .. 'opening', scope)
local was = call('HDEL', P .. 'gates', scope)
if single then call('HDEL', P .. 'sieve', scope) end
if was == 1 and #A[4] > 0 then emit(A[4]) end
local back = 0
if single then
  for _, entry in ipairs(call('LPOP', P .. 'sieved:' .. scope, 200) or {}) do
    local cut = string.find(entry, '\n', 1, true)
    push(string.sub(entry, 1, cut - 1), { string.sub(entry, cut + 1) })
    back = back + 1
  end
else
  for _, order in ipairs(call('SPOP', P .. 'parked:' .. scope, 200)) do
    unpark(scope, order)
    back = back + 1
  end
end
if back > 0 then
  wake(16)
  wake_expander()
else
  call('SREM', P .. 'opening', scope)
end
if was == 0 and back == 0 then return -1 end
return back
