#!lua flags=allow-oom
-- parts: lanes lease pace react
-- Write verdicts back: out of flight, into the event stream, the totals and, for a retry, the wheel.
-- A = { worker, epoch, lease, results, pauses, slows, fews, reactions, warmed }
--   results  { { op, id, lane, item, wait, scope, kind, body, field, value, ... }... }  (<= 256)
--     op 1 final: gone; 2 retry: `item` waits `wait` ms; 3 back: `item` returns to the head of its lane
--     kind  the total to count in ("" = none); body  suffix of the content to release ("" = none)
--     from field on: the event's fields, none = no event
--   pauses   { { path, ms }... } paths that nobody shall try before that time
--   slows    { { path, share, age, interval, own }... } paths whose receiver said "too fast" (parts/react.lua)
--   fews     { { path, connections }... } paths whose receiver refuses so many; reactions  what rules are to count
--   warmed   { [number of a result] = { source, site, taken, kind } } of sources that warm up; taken: ms; kind: delivered,
--     deferred, bounced, "" (says nothing of the source) or "back" (it was not sent: it does not count for the day)
-- Returns the number of results this worker no longer owned; those change nothing and write no event.
-- Error LOST when the lease is no longer this worker's: nothing changed.
local worker = A[1]
if not owns(worker, A[2]) then return redis.error_reply('LOST lease of ' .. worker) end
call('ZADD', P .. 'workers', NOW + A[3], worker)
local flight, lost, totals = P .. 'flight:' .. worker, 0, {}
local warmed = A[9]

-- A path of a source has no lanes: it lives as long as what receivers' answers did to it may matter.
local function linger(path)
  if string.byte(path, 1) ~= 64 then return end -- "@"
  if call('TTL', P .. 'path:' .. path) < 172800 then call('EXPIRE', P .. 'path:' .. path, 172800) end
end

-- What became of a message is counted on the day on which it was taken.
local function warm(mark)
  local source, site, taken, kind = unpack(mark)
  local key = P .. 'used:' .. number(math.floor(taken / 86400000))
  local field = source .. '|' .. (call('HEXISTS', P .. 'warming', source .. '|' .. site) == 1 and site or '*')
  if kind == 'back' then
    if tonumber(call('HGET', key, field) or 0) > 0 then call('HINCRBY', key, field, -1) end
  elseif kind ~= '' then
    call('HINCRBY', key, field .. '|' .. kind, 1)
    call('EXPIRE', key, 3456000)
  end
end

for i, r in ipairs(A[4]) do
  if call('HDEL', flight, r[2]) == 0 then
    lost = lost + 1
  else
    if r[1] == 2 then
      delay(r[3], r[4], NOW + r[5])
    elseif r[1] == 3 then
      push(r[3], { r[4] }, true)
    end
    if r[9] then call('XADD', P .. 'events', '*', unpack(r, 9)) end
    if r[7] ~= '' then
      local total = totals[r[6]] or {}
      totals[r[6]] = total
      total[r[7]] = (total[r[7]] or 0) + 1
    end
    if r[8] ~= '' and call('HINCRBY', P .. 'body:' .. r[8], 'left', -1) <= 0 then
      call('UNLINK', P .. 'body:' .. r[8])
    end
    if warmed and warmed[i] then warm(warmed[i]) end
  end
end
for scope, total in pairs(totals) do
  for field, n in pairs(total) do count(scope, field, n) end
end
for _, pause in ipairs(A[5]) do
  call('HSET', P .. 'path:' .. pause[1], 'pause', number(NOW + pause[2]))
  linger(pause[1])
end
for _, slow in ipairs(A[6] or {}) do
  slow_down(unpack(slow))
  linger(slow[1])
end
for _, few in ipairs(A[7] or {}) do
  hold_back(few[1], few[2])
  linger(few[1])
end
for _, rule in ipairs(A[8] or {}) do
  react(rule)
  linger(rule[1])
end
return lost
