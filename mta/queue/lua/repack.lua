#!lua flags=allow-oom
-- parts: lanes
-- Put a smaller pack in the place of one that lost rows, or take it away.
-- A = { kind, name, lane, old, new, events, scope }
--   kind  shelf | wheel; name: which list; or expanding, a claim that nobody uses: name is its id, and what is left goes
--   back on its shelf; new: "" when no row is left; events: one per row that is dropped
-- Returns 1, or 0 when the old pack is not there any more (nothing changes). Cap: 256 events.
local kind, name, lane, old, new = A[1], A[2], A[3], A[4], A[5]
local key, prefix = P .. kind .. ':' .. name, kind == 'wheel' and '+' .. lane .. '\n' or ''
local lost = rows_of(old) - (new ~= '' and rows_of(new) or 0)
if kind == 'expanding' then
  if call('HGET', P .. 'expanding', name) ~= lane .. '\n' .. old then return 0 end
  call('HDEL', P .. 'expanding', name)
  call('ZREM', P .. 'expandings', name)
  if new ~= '' then shelve(lane, new, 0, true) end
else
  if call('LREM', key, 1, prefix .. old) == 0 then return 0 end
  if new ~= '' then call('LPUSH', key, prefix .. new) end
end
if kind == 'wheel' then
  call('HINCRBY', P .. 'later', string.sub(lane, 1, 1), -lost)
  if call('EXISTS', key) == 0 then call('ZREM', P .. 'wheel', name) end
elseif kind == 'shelf' then
  if call('HINCRBY', P .. 'shelved', lane, -lost) <= 0 then call('HDEL', P .. 'shelved', lane) end
  if call('EXISTS', key, P .. 'lane:' .. lane) == 0 then leave(split(lane)) end
end
for _, fields in ipairs(A[6]) do emit(fields) end
count(A[7], 'purged', lost)
return 1
