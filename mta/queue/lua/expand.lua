#!lua
-- parts: lanes
-- Put the rows of a picked pack where they go, and forget the pack: both or neither, once.
-- A = { id, groups, events, counts, packs }  as put's; packs: rows whose site has no room now, or whose time comes later
-- Returns 1; 0 when the pack is not there any more (another expander did it, or it was purged): nothing changes.
-- Cap: 256 items. Not allow-oom.
if call('HDEL', P .. 'expanding', A[1]) == 0 then return 0 end
call('ZREM', P .. 'expandings', A[1])
local now = 0
for _, group in ipairs(A[2]) do
  local lane, at = group[1], group[2]
  if at > NOW then
    for i = 3, #group do delay(lane, group[i], at) end
  else
    local items = {}
    for i = 3, #group do items[i - 2] = group[i] end
    push(lane, items)
    now = now + 1
  end
end
for _, pack in ipairs(A[5]) do shelve(pack[1], pack[3], pack[2]) end
for _, fields in ipairs(A[3]) do emit(fields) end
for _, one in ipairs(A[4]) do count(one[1], one[2], one[3]) end
if now > 0 then wake(now, false) end
return 1
