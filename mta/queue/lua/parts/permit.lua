-- What a path allows at this moment: its rate (GCRA), its connections over all workers, its pauses and gates.
local PACED_BURST = 50 -- ms: a pace that is being sought must not come in bursts
local limits = call('EXISTS', P .. 'limits') == 1

-- A path's state as one table, with the open and idle connections of all workers added up.
local function state_of(path)
  local s = { open = 0, idle = 0, mine = 0, free = 0, holders = {} }
  local raw = call('HGETALL', P .. 'path:' .. path)
  for i = 1, #raw, 2 do
    local name, value = raw[i], raw[i + 1]
    local kind = string.sub(name, 1, 2)
    if kind == 'o:' then
      s.open = s.open + value
      s.holders[#s.holders + 1] = string.sub(name, 3)
      if name == 'o:' .. A[1] then s.mine = tonumber(value) end
    elseif kind == 'i:' then
      s.idle = s.idle + value
      if name == 'i:' .. A[1] then s.free = tonumber(value) end
      if tonumber(value) > 0 then s.keeper = string.sub(name, 3) end
    else
      s[name] = tonumber(value)
    end
  end
  s.interval, s.tolerance, s.connections, s.most = A[7][1], A[7][2], A[7][3], s.batch or A[7][4]
  if limits then
    local site = string.match(path, '|(.*)$')
    local rows = call('HMGET', P .. 'limits', site, '!' .. site)
    for _, row in ipairs(rows) do
      if row then
        local interval, tolerance, connections, till = string.match(row, '^(%S+) (%S+) (%S+) ?(%S*)')
        if till == '' or tonumber(till) > NOW then
          if tonumber(interval) >= 0 then s.interval, s.tolerance = tonumber(interval), tonumber(tolerance) end
          if tonumber(connections) > 0 then s.connections = tonumber(connections) end
        end
      end
    end
  end
  if s.slow and s.slowed > NOW and s.interval > 0 then s.interval = s.interval / s.slow end
  if s.few then s.connections = math.min(s.connections, s.few + math.floor((NOW - s.fewer) / 30000)) end
  if s.top then
    local rate = paced(s.top, s.base, s.cut)
    if rate > 0 and 1000 / rate > s.interval then
      s.tolerance = s.interval > 0 and math.min(s.tolerance, PACED_BURST) or PACED_BURST
      s.interval = 1000 / rate
    end
  end
  if s.interval > 0 then
    s.tat = s.tat or 0
    local most = NOW + s.tolerance + s.interval
    if s.tat > most then -- no bucket of these limits is: it comes of limits that hold no more
      s.tat = most
      call('HSET', P .. 'path:' .. path, 'tat', string.format('%.3f', most))
    end
  end
  return s
end

local function nudge(other, path)
  if path then call('SADD', P .. 'shed:' .. other, path) end
  if call('EXISTS', P .. 'wake:' .. other) == 0 then
    call('RPUSH', P .. 'wake:' .. other, '!')
    call('PEXPIRE', P .. 'wake:' .. other, 10000)
  end
end

-- How many messages of a class the path may send now and on which kind of session; else 0 and when to look again
-- (-1: when its gate opens).
local function permit(path, cls, s, room)
  if gates and call('HEXISTS', P .. 'gates', 's|' .. string.match(path, '|(.*)$')) == 1 then return 0, 0, -1 end
  if s.stop and s.stop > NOW then return 0, 0, s.stop end
  -- A pause is for who would open a connection; one that is open and waits shows that the path works.
  local paused = s.pause and s.pause > NOW
  if paused and s.free == 0 then
    if s.idle > 0 and s.keeper then
      -- A courier has nothing for it: where a receiver allows few connections it must not sit on one.
      nudge(s.keeper, cls == 2 and call('GET', P .. 'courier') == s.keeper and path or nil)
      return 0, 0, math.min(s.pause, NOW + 100)
    end
    return 0, 0, s.pause
  end
  local n = math.min(s.most, room)
  if s.interval > 0 then
    -- GCRA: tat is when the bucket is empty again, tolerance how far ahead of it a burst may run.
    local tat = math.max(s.tat, NOW)
    local allowed = math.floor((NOW + s.tolerance - tat) / s.interval) + 1
    -- Within a second all the same, since the limit may be another by then.
    if allowed < 1 then return 0, 0, math.min(math.ceil(tat - s.tolerance), NOW + 1000) end
    n = math.min(n, allowed)
  end
  -- Of four connections or more one is kept for the classes above bulk; below that they go next on an open one.
  local most = s.connections
  if cls == 2 and most >= 4 then most = most - 1 end
  local busy = s.open - s.idle
  if s.free > 0 and busy < most then return n, 0, 0 end
  if not paused and s.open < s.connections and busy < most then return n, 1, 0 end
  if cls < 2 and s.mine - s.free > 0 then return n, 2, 0 end
  if s.idle > s.free and s.keeper and busy < most then
    nudge(s.keeper, path)
  elseif cls < 2 and s.holders[1] then
    -- A worker with an open session takes it at once.
    nudge(s.holders[1])
    return 0, 0, NOW + 5
  end
  return 0, 0, NOW + 250
end
