-- Which of a pool's sources a path's mail goes out from. The worker says which sources there are, and which its host has:
-- without any, nothing here reads a key. Of a pool with one warm source the path itself counts what it may do; of another
-- pool each source does, on the path "@<source>|<site>", whichever pools it is in.
local pools = A[11]
local DAY_MS, USED_SECONDS = 86400000, 3456000

-- A source's path has no lanes whose end would be its own: it is forgotten an hour after it was used.
local function keep(via)
  if call('TTL', P .. 'path:' .. via) < 3600 then call('EXPIRE', P .. 'path:' .. via, 3600) end
end

-- A source has connections to a site again: the paths of its pools are due, the one first that was served longest ago,
-- or of two pools one would have them all.
local function freed(via)
  local name, site = string.match(via, '^@([^|]*)|(.*)$')
  keep(via)
  for pool, given in pairs(pools or {}) do
    for _, one in ipairs(type(given) == 'table' and given or {}) do
      local path = pool .. '|' .. site
      for cls = 0, one[1] == name and 2 or -1 do
        local at = call('ZSCORE', P .. 'due:' .. cls, path)
        if at and tonumber(at) > NOW then
          call('ZADD', P .. 'due:' .. cls, call('HGET', P .. 'path:' .. path, 'served') or NOW - 1000, path)
        end
      end
    end
  end
end

local function shut_off(name)
  return gates and call('HEXISTS', P .. 'gates', 'x|' .. name) == 1
end

-- How many of n a source that warms up may still send a provider today (0 before the keeper said so), where that is
-- counted, and within how many days its recipients shall have shown themselves. "*" stands for all sites that have no
-- ladder of their own.
local function warmth(name, site, n)
  local row = call('HMGET', P .. 'warming', name .. '|' .. site, name .. '|*')
  local field = name .. '|' .. (row[1] and site or '*')
  local cap, days = string.match(row[1] or row[2] or '0 0', '^(%S+) (%S+)$')
  cap = tonumber(cap)
  if cap < 0 then return n end
  local key = P .. 'used:' .. number(math.floor(NOW / DAY_MS))
  local left = cap - tonumber(call('HGET', key, field) or 0)
  return math.max(0, math.min(n, left)), { key = key, field = field, days = tonumber(days) }
end

-- How many of n a source may send a site by its own rate and its warm-up. When none, when to look again (nil: its day's
-- mail is sent; then the counter says which).
local function bounds(name, cls, site, n, warming)
  if scopes then
    local allowed, _, again = allowance('x|' .. name, number(cls), n)
    if allowed < 1 then return 0, nil, again end
    n = allowed
  end
  if warming == 1 then return warmth(name, site, n) end
  return n
end

-- Its turn in virtual time. On a path that is new the first is drawn by weight, so that of many small sites each source
-- has its share.
local function rank_of(s, name, weight, via)
  local since = math.max(s['w:' .. name] or 0, s.wv or 0)
  if s.wv then return since, since end
  local chance = tonumber(string.sub(redis.sha1hex(via .. clock[1] .. clock[2]), 1, 8), 16)
  return since, -math.log((chance + 1) / 4294967297) / weight
end

local function alone(path, cls, s, room, name)
  if name == '' then return 0, 0, NOW + 250 end -- not on this host
  if shut_off(name) then return 0, 0, -1, { 'x|' .. name } end
  local most, _, again = bounds(name, cls, string.match(path, '|(.*)$'), room, 0)
  if most < 1 then return 0, 0, again end
  local n, way, later_on = permit(path, cls, s, most)
  return n, way, later_on, nil, { via = path, state = s, name = name }
end

-- Of the sources that may send now the one that is furthest behind its share (start-time fair queueing: Goyal, Vin and
-- Cheng 1996, SIGCOMM), per path; those in `passed` are left out. Returns what permit does, then the scopes to wait for
-- when all sources are shut off or have sent their day's mail, then the choice:
-- { via, state, name, weight, since, counter, rest }; rest: there are warm sources for what does not suit it.
local function choose(path, cls, s, room, from, passed)
  if type(from) == 'string' then return alone(path, cls, s, room, from) end
  local site = string.match(path, '|(.*)$')
  if gates and call('HEXISTS', P .. 'gates', 's|' .. site) == 1 then return 0, 0, -1 end
  local parked, soonest, by, got, road, first, rest = {}, nil, nil, 0, 0, nil, false
  for _, one in ipairs(from) do
    local name, weight, warming, here = unpack(one)
    if shut_off(name) then
      parked[#parked + 1] = 'x|' .. name
    else
      rest = rest or warming == 0
      local most, counter, again = bounds(name, cls, site, room, warming)
      if most > 0 then
        local via = '@' .. name .. '|' .. site
        local state, n, way = state_of(via), 0, 0
        n, way, again = permit(via, cls, state, most)
        if n > 0 and (here == 0 or passed[name]) then
          again = NOW + 100 -- for who has it, or when other mail is at hand
        elseif n > 0 then
          local since, rank = rank_of(s, name, weight, via)
          if not by or rank < first then
            first, got, road = rank, n, way
            by = { via = via, state = state, name = name, weight = weight, since = since, counter = counter }
          end
        end
      elseif counter then
        parked[#parked + 1] = 'w|' .. counter.field
      end
      if again and (not soonest or again < soonest) then soonest = again end
    end
  end
  if by then
    by.rest = rest
    return got, road, 0, nil, by
  end
  if soonest then
    -- What opens or has a new day meanwhile does not bring this path back.
    return 0, 0, #parked > 0 and math.min(soonest, NOW + 5000) or soonest
  end
  for _, scope in ipairs(parked) do
    if string.byte(scope, 1) == 119 then -- "w"
      call('ZADD', P .. 'timed', number((math.floor(NOW / DAY_MS) + 1) * DAY_MS), scope)
    end
  end
  return 0, 0, -1, parked
end

-- The day from which on a choice's recipients shall have shown themselves: 0 any, those of late first; nil: any, by turn.
local function keenness(by)
  if not (by and by.counter) then return nil end
  local days = by.counter.days
  return by.rest and days > 0 and math.floor(NOW / DAY_MS) - days or 0
end

-- Note what a source gave.
local function book(path, cls, by, drawn)
  if scopes then spend('x|' .. by.name, number(cls), drawn) end
  if not by.weight then return end
  call('HSET', P .. 'path:' .. path, 'w:' .. by.name, string.format('%.3f', by.since + drawn / by.weight),
    'wv', string.format('%.3f', by.since), 'served', number(NOW))
  keep(by.via)
  if by.counter then
    call('HINCRBY', by.counter.key, by.counter.field, drawn)
    call('EXPIRE', by.counter.key, USED_SECONDS)
  end
end
