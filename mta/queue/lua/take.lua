#!lua flags=allow-oom
-- Hand a worker batches it may send at once: class by class, within every limit, under its lease.
-- A = { worker, epoch, want, most, lease, { interval, tolerance, connections, batch }, reports }
--   want     messages at most (<= 256); most  batches at most
--   defaults of a path without limits of its own: interval ms per message (0 = no limit), tolerance ms of
--   burst, open connections, messages per batch
--   reports  { { path, open, idle, batch }... } sessions of this worker on paths where that changed
-- Returns { now, next, { path, fresh, { lane, item... }... }... }
--   next   ms until something may be due (-1: nothing waits);  fresh 1: open a session, 0: an idle one is free
-- A batch is permission to send: its rate is spent, its connection permit granted, its items stand in
-- flight:<worker>. Error LOST when the lease is no longer this worker's: nothing changed.
local worker, want, most = A[1], A[3], A[4]
if not owns(worker, A[2]) then return redis.error_reply('LOST lease of ' .. worker) end
call('ZADD', P .. 'workers', NOW + A[5], worker)

for _, report in ipairs(A[7]) do
  local path, key = report[1], P .. 'path:' .. report[1]
  if report[2] == 0 then
    call('HDEL', key, 'o:' .. worker, 'i:' .. worker)
    call('SREM', P .. 'held:' .. worker, path)
  else
    call('HSET', key, 'o:' .. worker, report[2], 'i:' .. worker, report[3], 'batch', report[4])
    call('SADD', P .. 'held:' .. worker, path)
  end
  for cls = 0, 2 do call('ZADD', P .. 'due:' .. cls, 'XX', 'LT', NOW, path) end
end

-- Due retries go back to their lanes.
for _, bucket in ipairs(call('ZRANGEBYSCORE', P .. 'wheel', '-inf', NOW, 'LIMIT', 0, 8)) do
  local lanes = {}
  for _, entry in ipairs(call('LPOP', P .. 'wheel:' .. bucket, 64) or {}) do
    local cut = string.find(entry, '\n', 1, true)
    local lane = string.sub(entry, 1, cut - 1)
    lanes[lane] = lanes[lane] or {}
    table.insert(lanes[lane], string.sub(entry, cut + 1))
  end
  for lane, items in pairs(lanes) do push(lane, items) end
  if call('EXISTS', P .. 'wheel:' .. bucket) == 0 then call('ZREM', P .. 'wheel', bucket) end
end

local gates = call('EXISTS', P .. 'gates') == 1

-- Take up to n items of one class from a path's lanes, the lane furthest behind in virtual time first.
local function draw(cls, path, n, batch, flight)
  local lanes, drawn = P .. 'lanes:' .. cls .. ':' .. path, 0
  while drawn < n do
    local first = call('ZRANGE', lanes, 0, 0, 'WITHSCORES')
    local lane = first[1]
    if not lane then break end
    local closed = false
    if gates then
      local _, _, tenant, campaign = split(lane)
      for _, scope in ipairs({ 't|' .. tenant, 'c|' .. tenant .. '|' .. campaign }) do
        if call('HEXISTS', P .. 'gates', scope) == 1 then
          call('ZREM', lanes, lane)
          call('SADD', P .. 'parked:' .. scope, lane)
          closed = true
          break
        end
      end
    end
    if not closed then
      local items = call('LPOP', P .. 'lane:' .. lane, n - drawn)
      if items then
        local part = { lane }
        for i, item in ipairs(items) do
          part[i + 1] = item
          flight[#flight + 1] = string.sub(item, 3, 11)
          flight[#flight + 1] = lane .. '\n' .. item
        end
        batch[#batch + 1] = part
        drawn = drawn + #items
        local virtual = tonumber(first[2]) + #items
        call('HSET', P .. 'path:' .. path, 'v' .. cls, number(virtual))
        if call('EXISTS', P .. 'lane:' .. lane) == 1 then
          call('ZADD', lanes, number(virtual), lane)
        else
          forget(lane)
        end
      else
        forget(lane)
      end
    end
  end
  if call('EXISTS', lanes) == 0 then call('ZREM', P .. 'due:' .. cls, path) end
  return drawn
end

-- How many messages the path may send now and on which kind of session; else when to look again.
local function permit(path, room)
  local state = call('HGETALL', P .. 'path:' .. path)
  local s, open, mine, idle = {}, 0, 0, 0
  for i = 1, #state, 2 do
    local name, value = state[i], state[i + 1]
    if string.sub(name, 1, 2) == 'o:' then
      open = open + value
      if name == 'o:' .. worker then mine = tonumber(value) end
    elseif name == 'i:' .. worker then
      idle = tonumber(value)
    else
      s[name] = value
    end
  end
  if gates then
    local site = string.match(path, '|(.*)$')
    if call('HEXISTS', P .. 'gates', 's|' .. site) == 1 then return 0, 0, -1 end
  end
  local pause = tonumber(s.pause or 0)
  if pause > NOW then return 0, 0, pause end
  if idle == 0 and open >= tonumber(s.connections or A[6][3]) then return 0, 0, NOW + 1000 end
  local n = math.min(tonumber(s.batch or A[6][4]), room)
  local interval = tonumber(s.interval or A[6][1])
  if interval > 0 then
    -- GCRA: tat is when the bucket is empty again, tolerance how far ahead of it a burst may run.
    local tat = math.max(tonumber(s.tat or 0), NOW)
    local tolerance = tonumber(s.tolerance or A[6][2])
    local allowed = math.floor((NOW + tolerance - tat) / interval) + 1
    if allowed < 1 then return 0, 0, math.ceil(tat - tolerance) end
    n = math.min(n, allowed)
  end
  return n, idle > 0 and 0 or 1, 0, mine, idle, interval, tonumber(s.tat or 0)
end

local out, flight, taken = { NOW, -1 }, {}, 0
for cls = 0, 2 do
  local looked = 0
  while taken < want and #out - 2 < most and looked < 64 do
    local due = call('ZRANGEBYSCORE', P .. 'due:' .. cls, '-inf', NOW, 'LIMIT', 0, 16)
    if #due == 0 then break end
    for _, path in ipairs(due) do
      looked = looked + 1
      if taken >= want or #out - 2 >= most then break end
      local n, fresh, again, mine, idle, interval, tat = permit(path, want - taken)
      if n == 0 then
        if again < 0 then
          call('ZREM', P .. 'due:' .. cls, path)
          call('SADD', P .. 'parked:s|' .. string.match(path, '|(.*)$'), cls .. '|' .. path)
        else
          call('ZADD', P .. 'due:' .. cls, number(again), path)
        end
      else
        local batch = { path, fresh }
        local drawn = draw(cls, path, n, batch, flight)
        if drawn > 0 then
          taken = taken + drawn
          out[#out + 1] = batch
          local key = P .. 'path:' .. path
          if fresh == 1 then
            call('HSET', key, 'o:' .. worker, mine + 1)
            call('SADD', P .. 'held:' .. worker, path)
          else
            call('HSET', key, 'i:' .. worker, idle - 1)
          end
          if interval > 0 then
            call('HSET', key, 'tat', string.format('%.3f', math.max(tat, NOW) + drawn * interval))
          end
          -- Behind the others that are due: paths of one class take turns.
          call('ZADD', P .. 'due:' .. cls, 'XX', NOW, path)
        end
      end
    end
  end
end
for i = 1, #flight, 500 do
  call('HSET', P .. 'flight:' .. worker, unpack(flight, i, math.min(i + 499, #flight)))
end

if taken == 0 then call('SADD', P .. 'idle', worker) end
local soonest
for _, name in ipairs({ 'due:0', 'due:1', 'due:2', 'wheel' }) do
  local first = call('ZRANGE', P .. name, 0, 0, 'WITHSCORES')
  if first[2] and (not soonest or tonumber(first[2]) < soonest) then soonest = tonumber(first[2]) end
end
if soonest then out[2] = math.max(0, soonest - NOW) end
return out
