#!lua flags=allow-oom
-- parts: lanes
-- Return what a dead worker had in flight to the heads of its lanes, in steps of 256.
-- A = { worker, grace }.  Only a lease that ended more than grace ms ago is touched.
-- Nobody here can know which dots were sent, so every item is marked as possibly sent (flag bit 2).
-- Returns { moved, left }; the name is forgotten when nothing is left.
local worker = A[1]
local ends = call('ZSCORE', P .. 'workers', worker)
if ends and tonumber(ends) + A[2] > NOW then return { 0, -1 } end
-- From now on the dead one, should it wake, owns nothing.
call('HDEL', P .. 'epoch', worker)
local flight, moved = P .. 'flight:' .. worker, 0
local page = call('HSCAN', flight, 0, 'COUNT', 128)[2]
for i = 1, math.min(#page, 512), 2 do
  local cut = string.find(page[i + 1], '\n', 1, true)
  local lane, item = string.sub(page[i + 1], 1, cut - 1), string.sub(page[i + 1], cut + 1)
  local flags = string.byte(item, 2)
  if flags % 4 < 2 then flags = flags + 2 end
  push(lane, { string.sub(item, 1, 1) .. string.char(flags) .. string.sub(item, 3) }, true)
  call('HDEL', flight, page[i])
  moved = moved + 1
end
local left = call('HLEN', flight)
if left == 0 then
  release(worker)
  call('ZREM', P .. 'workers', worker)
end
if moved > 0 then wake(4) end
return { moved, left }
