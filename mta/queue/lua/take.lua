#!lua flags=allow-oom
-- parts: lanes lease terms draw pace permit sources
-- Hand a worker batches it may send at once: class by class, within every limit, under its lease.
-- A = { worker, epoch, want, high, most, lease, { interval, tolerance, connections, batch }, floor, reports, courier,
--       pools }
--   want     messages at most (<= 256); most  batches at most; high: this many more of each, but of the two higher
--            classes only
--   defaults of a path without limits of its own: interval ms per message (0 = no limit), tolerance ms of
--   burst, open connections, messages per batch
--   floor    share of what is taken that a lower class gets while higher ones wait too
--   reports  { { path, open, idle, batch }... } sessions of this worker on paths where that changed
--   courier  1: it takes the higher classes alone, always
--   pools    none, or { pool = source or { { source, weight, warming, here }... } }; see parts/sources.lua
-- Returns { now, next, { shed path... }, { path, way, tight, { lane, item... }... }... }
--   next   ms until something may be due (-1: nothing waits)
--   shed   paths on which others wait for a connection that this worker keeps idle
--   way    0: on an idle session, 1: a new one may be opened, 2: ahead of what a session of this worker is sending
--   path   of a pool with several sources: "@<source>|<site>", the source that the batch goes out from
--   tight  1: the path has used up half of its burst, so that what is late arrives on top of what follows
-- A batch is permission to send: its rate is spent, its connection permit granted, its items stand in
-- flight:<worker>. Error LOST when the lease is no longer this worker's: nothing changed.
local worker, floor = A[1], A[8]
if not owns(worker, A[2]) then return redis.error_reply('LOST lease of ' .. worker) end
call('ZADD', P .. 'workers', NOW + A[6], worker)

for _, report in ipairs(A[9]) do
  local path, key = report[1], P .. 'path:' .. report[1]
  if report[2] == 0 then
    call('HDEL', key, 'o:' .. worker, 'i:' .. worker)
    call('SREM', P .. 'held:' .. worker, path)
  else
    call('HSET', key, 'o:' .. worker, report[2], 'i:' .. worker, report[3], 'batch', report[4])
    call('SADD', P .. 'held:' .. worker, path)
  end
  if string.byte(path, 1) == 64 then -- "@"
    freed(path)
  else
    for cls = 0, 2 do call('ZADD', P .. 'due:' .. cls, 'XX', 'LT', NOW, path) end
  end
end

-- Due retries go back to their lanes, packs to their shelves.
for _, bucket in ipairs(call('ZRANGEBYSCORE', P .. 'wheel', '-inf', NOW, 'LIMIT', 0, 8)) do
  local lanes = {}
  for _, entry in ipairs(call('LPOP', P .. 'wheel:' .. bucket, 64) or {}) do
    local cut = string.find(entry, '\n', 1, true)
    local lane = string.sub(entry, 1, cut - 1)
    later(entry, -1)
    if string.byte(lane, 1) == 43 then -- "+"
      shelve(string.sub(lane, 2), string.sub(entry, cut + 1), 0)
    else
      lanes[lane] = lanes[lane] or {}
      table.insert(lanes[lane], string.sub(entry, cut + 1))
    end
  end
  for lane, items in pairs(lanes) do push(lane, items) end
  if call('EXISTS', P .. 'wheel:' .. bucket) == 0 then call('ZREM', P .. 'wheel', bucket) end
end

-- Tenants and campaigns whose own rate kept them aside.
for _, scope in ipairs(call('ZRANGEBYSCORE', P .. 'timed', '-inf', NOW, 'LIMIT', 0, 8)) do
  for _, order in ipairs(call('SPOP', P .. 'parked:' .. scope, 64)) do unpark(scope, order) end
  if call('EXISTS', P .. 'parked:' .. scope) == 0 then call('ZREM', P .. 'timed', scope) end
end

local out, taken, want = { NOW, -1, {} }, 0, A[3]

-- A courier is at leisure where a worker is busy with what it holds: what little there is of the higher classes is the
-- courier's for so many ms, then anybody's. Of more everybody takes at once.
local HEAD_START, LITTLE, COURIER_MS = 100, 16, 5000
local since = NOW
if A[10] == 1 then
  call('SET', P .. 'courier', worker, 'PX', COURIER_MS)
elseif call('EXISTS', P .. 'courier') == 1 then
  local ready = call('HMGET', P .. 'ready', '0', '1')
  if tonumber(ready[1] or 0) + tonumber(ready[2] or 0) <= LITTLE then since = NOW - HEAD_START end
end
local given = { [0] = 0, 0, 0 } -- by class
local most_owed = math.max(1, 100 * floor) -- what is owed is counted over 100 transactions, and no more is saved up

-- What the lower classes that wait are owed on a path of the next n transactions, which a higher one would use up.
local function owed(path, cls, s, n)
  local parts, sum = {}, 0
  for lower = cls + 1, 2 do
    if call('EXISTS', P .. 'tenants:' .. lower .. '|' .. path) == 1 then
      local due = math.min(math.floor((s['c' .. lower] or 0) + n * floor + 0.001), n - sum)
      if lower == 2 then due = math.max(0, math.min(due, want - given[2])) end
      parts[#parts + 1] = { lower, due }
      sum = sum + due
    end
  end
  return parts, sum
end

local visit
function visit(path, cls, room, passed)
  local s = state_of(path)
  local from = pools and pools[string.match(path, '^[^|]*')]
  local n, way, again, shut, by
  if from then
    n, way, again, shut, by = choose(path, cls, s, room, from, passed or {})
  else
    n, way, again = permit(path, cls, s, room)
  end
  if n == 0 then
    if again < 0 then
      call('ZREM', P .. 'due:' .. cls, path)
      for _, scope in ipairs(shut or { 's|' .. string.match(path, '|(.*)$') }) do
        call('SADD', P .. 'parked:' .. scope, cls .. '|' .. path)
      end
    else
      call('ZADD', P .. 'due:' .. cls, 'XX', number(again), path)
    end
    return 0
  end
  -- What the batch goes by: the path itself, or a source of its pool.
  keen = by and keenness(by)
  local via, e = by and by.via or path, by and by.state or s
  local batch, drawn, key, vias = { via, way, 0 }, 0, P .. 'path:' .. path, P .. 'path:' .. via
  local lower, sum = {}, 0
  if cls < 2 then lower, sum = owed(path, cls, s, n) end
  drawn = draw(cls, path, n - sum, batch)
  for _, part in ipairs(lower) do
    part[3] = part[2] > 0 and draw(part[1], path, part[2], batch) or 0
    given[part[1]] = given[part[1]] + part[3]
    drawn, sum = drawn + part[3], sum - part[3]
  end
  -- What is owed to lanes that wait for their shelves is nobody's loss.
  if sum > 0 then drawn = drawn + draw(cls, path, sum, batch) end
  local own = drawn
  for _, part in ipairs(lower) do own = own - part[3] end
  given[cls] = given[cls] + own
  local credit = s['c' .. cls]
  if credit and credit > 0 and own > 0 then
    call('HSET', key, 'c' .. cls, string.format('%.3f', math.max(0, credit - own)))
  end
  for _, part in ipairs(lower) do
    credit = math.max(0, math.min((s['c' .. part[1]] or 0) + drawn * floor - part[3], most_owed))
    call('HSET', key, 'c' .. part[1], string.format('%.3f', credit))
  end
  if drawn == 0 and keen and keen > 0 then
    -- Nothing here suits a source that warms up: the others of its pool have it.
    passed = passed or {}
    passed[by.name] = true
    return visit(path, cls, room, passed)
  end
  if drawn == 0 then
    -- Lanes that wait for their shelves, or nothing any more.
    call('ZADD', P .. 'due:' .. cls, 'XX', NOW + 100, path)
    return 0
  end
  out[#out + 1] = batch
  if way == 1 then
    call('HSET', vias, 'o:' .. worker, e.mine + 1)
    call('SADD', P .. 'held:' .. worker, via)
  elseif way == 0 then
    call('HSET', vias, 'i:' .. worker, e.free - 1)
  end
  if e.interval > 0 then
    local tat = math.max(e.tat or 0, NOW) + drawn * e.interval
    call('HSET', vias, 'tat', string.format('%.3f', tat))
    if (tat - NOW) * 2 > e.tolerance then batch[3] = 1 end
  end
  if by then book(path, cls, by, drawn) end
  -- Behind the others that are due: paths of one class take turns.
  call('ZADD', P .. 'due:' .. cls, 'XX', NOW, path)
  return drawn
end

local function serve(cls, budget)
  local got, looked = 0, 0
  local most = A[5] + (cls < 2 and A[4] or 0)
  while got < budget and #out - 3 < most and looked < 64 do
    local due = call('ZRANGEBYSCORE', P .. 'due:' .. cls, '-inf', cls < 2 and since or NOW, 'LIMIT', 0, 16)
    if #due == 0 then break end
    for _, path in ipairs(due) do
      looked = looked + 1
      if got >= budget or #out - 3 >= most then break end
      got = got + visit(path, cls, budget - got)
    end
  end
  taken = taken + got
  return got
end

-- Strict order, but of what goes out while a lower class waits, its floor is the lower class's.
local shares = call('HMGET', P .. 'floors', '1', '2')
local keep, lower = {}, {}
for cls = 1, 2 do
  local waits = #call('ZRANGEBYSCORE', P .. 'due:' .. cls, '-inf', cls < 2 and since or NOW, 'LIMIT', 0, 1) > 0
  lower[cls] = waits and tonumber(shares[cls] or 0) or 0
  keep[cls] = math.min(math.floor(lower[cls] + 0.001), want - (keep[1] or 0))
end
local urgent = serve(0, math.max(want - keep[1] - keep[2], 0) + A[4])
local plain = serve(1, math.max(want - urgent - keep[2], keep[1] - given[1]) + (want == 0 and A[4] - urgent or 0))
if want > 0 then serve(2, math.min(math.max(want - urgent - plain, keep[2] - given[2]), want - given[2])) end
-- What was kept and not taken is nobody's loss either.
for cls = 0, 1 do
  if taken < want then serve(cls, want - taken) end
end
if given[0] + given[1] > 0 or lower[1] > 0 or lower[2] > 0 then
  local one = lower[1] + given[0] * floor - given[1]
  local two = lower[2] + (given[0] + given[1]) * floor - given[2]
  call('HSET', P .. 'floors', '1', string.format('%.3f', math.max(0, math.min(one, most_owed))),
    '2', string.format('%.3f', math.max(0, math.min(two, most_owed))))
end

for i = 1, #flight, 500 do
  call('HSET', P .. 'flight:' .. worker, unpack(flight, i, math.min(i + 499, #flight)))
end
if #wants > 0 then
  for i = 1, #wants, 500 do call('SADD', P .. 'wanted', unpack(wants, i, math.min(i + 499, #wants))) end
  wake_expander()
end
if taken < want and call('EXISTS', P .. 'stores') == 1 then
  call('SET', P .. 'hungry', want - taken, 'PX', 5000)
  wake_expander()
end
local shed = P .. 'shed:' .. worker
if call('EXISTS', shed) == 1 then
  out[3] = call('SMEMBERS', shed)
  call('DEL', shed)
end

-- One that has no room is not idle: a ring for it would be a ring that nobody hears. A courier that has room left
-- hears the next ring while it sends: a call to find nothing would be in the way of what it took.
if (taken == 0 and (want > 0 or A[10] == 1)) or (A[10] == 1 and taken < A[4]) then
  call('SADD', P .. (want > 0 and 'idle' or 'idle:high'), worker)
end
local soonest
for _, name in ipairs({ 'due:0', 'due:1', 'wheel', 'timed', want > 0 and 'due:2' or nil }) do
  local first = call('ZRANGE', P .. name, 0, 0, 'WITHSCORES')
  local at = tonumber(first[2])
  if at and (name == 'due:0' or name == 'due:1') then at = at + NOW - since end
  if at and (not soonest or at < soonest) then soonest = at end
end
if soonest then out[2] = math.max(0, soonest - NOW) end
return out
