-- How a class's messages are drawn from a path: tenants by weight, of each its campaigns by weight, within the limits
-- of both. Leaves what was drawn in `flight`, lanes that run dry in `wants`.
local gates = call('EXISTS', P .. 'gates') == 1
local scopes = call('EXISTS', P .. 'scopes') == 1
local shelves = call('EXISTS', P .. 'shelved') == 1
local sieve = call('EXISTS', P .. 'sieve') == 1 and {}
if sieve then
  for _, scope in ipairs(call('HKEYS', P .. 'sieve')) do sieve[scope] = true end
end
local flight, wants = {}, {}
local today = P .. 'day:' .. number(math.floor(NOW / 86400000))
local DRY = 64 -- a lane with fewer left asks for its next pack

-- When a scope's bucket is empty again, at the earliest now.
local function ahead(scope, interval, tolerance)
  local tat, most = tonumber(call('HGET', P .. 'pace', scope) or 0), NOW + tolerance + interval
  if tat > most then -- no bucket of this rate is: it comes of one that holds no more
    tat = most
    call('HSET', P .. 'pace', scope, string.format('%.3f', most))
  end
  return math.max(tat, NOW)
end

-- How many of n a scope's own rate and daily quota allow, its weight, and, where that is none, when to look again.
local function allowance(scope, cls, n)
  if not scopes then return n, 1 end
  local weight, interval, tolerance, day, urgent = terms(scope)
  if day > 0 then n = math.min(n, day - tonumber(call('HGET', today, scope) or 0)) end
  if urgent > 0 and cls == '0' then n = math.min(n, urgent - tonumber(call('HGET', today, 'u' .. scope) or 0)) end
  if n < 1 then return 0, weight, (math.floor(NOW / 86400000) + 1) * 86400000 end
  if interval > 0 then
    local tat = ahead(scope, interval, tolerance)
    local allowed = math.floor((NOW + tolerance - tat) / interval) + 1
    -- Not back for each single message: a fifth of a second's worth at a time.
    if allowed < 1 then return 0, weight, math.max(math.ceil(tat - tolerance), NOW + 200) end
    n = math.min(n, allowed)
  end
  return n, weight
end

local function spend(scope, cls, n)
  local _, interval, tolerance, day, urgent = terms(scope)
  if interval > 0 then
    local tat = ahead(scope, interval, tolerance)
    call('HSET', P .. 'pace', scope, string.format('%.3f', tat + n * interval))
  end
  if day > 0 then call('HINCRBY', today, scope, n) end
  if urgent > 0 and cls == '0' then call('HINCRBY', today, 'u' .. scope, n) end
  if day > 0 or urgent > 0 then call('EXPIRE', today, 172800) end
end

-- Whether a scope may be served; when not, its "<class>|<path>" waits until it is opened or its time comes.
local function blocked(scope, order, most, again)
  if most < 1 then
    call('ZADD', P .. 'timed', again, scope)
  elseif not (gates and call('HEXISTS', P .. 'gates', scope) == 1) then
    return false
  end
  call('SADD', P .. 'parked:' .. scope, order)
  return true
end

-- Single messages, people and domains that are held: rare, so only then is a record opened.
local function without_held(lane, tenant, items)
  local out = {}
  for _, item in ipairs(items) do
    local record = cmsgpack.unpack(string.sub(item, 12)) -- mta.message.Record: name, rcpt, ...
    local message, person = 'm|' .. tenant .. '|' .. record[1], 'r|' .. record[2]
    local domain = 'd|' .. string.match(record[2], '([^@]*)$')
    local scope = sieve[message] and message or (sieve[person] and person or (sieve[domain] and domain))
    if scope then
      call('RPUSH', P .. 'sieved:' .. scope, lane .. '\n' .. item)
    else
      out[#out + 1] = item
    end
  end
  return out
end

-- A source that warms up sends to those first that showed themselves last: day of the last open or click, and only to
-- those from the day `keen` on or of whom nobody says (0). Set while such a source's batch is drawn.
local keen
local CHOICE = 256 -- of a lane's next items

-- The day is the last member of a record that has all 15 (mta.message.Record): three bytes of msgpack.
local function engaged(item)
  local mark, high, low = string.byte(item, -3, -1)
  if string.byte(item, 12) ~= 0x9f or mark ~= 0xcd or high > 127 then return 0 end
  return high * 256 + low
end

local function pop_keen(key, n)
  local all = call('LPOP', key, CHOICE) or {}
  local order, chosen, days = {}, {}, {}
  for i, item in ipairs(all) do
    days[i] = engaged(item)
    if days[i] == 0 or days[i] >= keen then order[#order + 1] = i end
  end
  table.sort(order, function(a, b) return days[a] > days[b] or (days[a] == days[b] and a < b) end)
  for i = 1, math.min(n, #order) do chosen[order[i]] = true end
  local items, rest = {}, {}
  for i = 1, math.min(n, #order) do items[i] = all[order[i]] end
  for i = #all, 1, -1 do
    if not chosen[i] then rest[#rest + 1] = all[i] end
  end
  if #rest > 0 then call('LPUSH', key, unpack(rest)) end
  return items
end

-- Move up to n items of a lane into the batch. Returns how many, how many left the lane, whether something is left in
-- it, whether something is on its shelf.
local function draw_lane(lane, n, batch, tenant)
  local key = P .. 'lane:' .. lane
  local items = keen and pop_keen(key, n) or call('LPOP', key, n) or {}
  local popped = #items
  local left = (popped == n or keen) and call('LLEN', key) or 0
  if sieve then items = without_held(lane, tenant, items) end
  if #items > 0 then
    local part = { lane }
    for i, item in ipairs(items) do
      part[i + 1] = item
      flight[#flight + 1] = string.sub(item, 3, 11)
      flight[#flight + 1] = lane .. '\n' .. item
    end
    batch[#batch + 1] = part
  end
  if shelves and left < DRY and call('HEXISTS', P .. 'shelved', lane) == 1 then
    wants[#wants + 1] = lane
    return #items, popped, left > 0, true
  end
  return #items, popped, left > 0, false
end

-- Who of an order is next: of those that had no more than their share, the one whose turn of n would be over first
-- (WF2Q: Bennett and Zhang 1996, INFOCOM), so that nobody is ever more than a turn from what is theirs. Where all weigh
-- the same that is the one furthest behind. Returns the member, its time, and the time the order has reached.
local LOOK = 16 -- are compared; of more, those furthest behind
local function foremost(order, scope, n)
  local row = call('ZRANGE', P .. order, 0, scopes and LOOK - 1 or 0, 'WITHSCORES')
  local weights, sum, reached, names, texts = {}, 0, 0, {}, {}
  if scopes and #row > 2 then
    for i = 1, #row, 2 do names[#names + 1] = scope .. row[i] end
    texts = call('HMGET', P .. 'scopes', unpack(names))
  end
  for i = 1, #row, 2 do
    local text = texts[(i + 1) / 2]
    weights[i] = text and tonumber(string.match(text, '^%S+')) or 1
    sum, reached = sum + weights[i], reached + weights[i] * row[i + 1]
  end
  reached = reached / sum
  local soonest, at
  for i = 1, #row, 2 do
    local ends = row[i + 1] + n / weights[i]
    if tonumber(row[i + 1]) <= reached + 0.001 and (not soonest or ends < soonest) then soonest, at = ends, i end
  end
  if at then return row[at], tonumber(row[at + 1]), reached end
end

local function step_aside(order, path, cls, tenant, campaign)
  local lanes = P .. 'lanes:' .. order .. '|' .. tenant
  call('ZREM', lanes, campaign)
  if call('EXISTS', lanes) == 0 then withdraw(cls, path, tenant) end
end

-- Serve the campaign of a tenant whose turn it is, up to n messages. Returns how many it gave, and how many left their
-- lane.
local function draw_tenant(order, path, cls, tenant, n, batch)
  local lanes = 'lanes:' .. order .. '|' .. tenant
  local campaign, since, reached = foremost(lanes, 'c|' .. tenant .. '|', n)
  if not campaign then
    withdraw(cls, path, tenant)
    return 0, 0
  end
  local scope = 'c|' .. tenant .. '|' .. campaign
  local most, weight, again = allowance(scope, cls, n)
  if blocked(scope, order, most, again) then
    step_aside(order, path, cls, tenant, campaign)
    return 0, 0
  end
  local got, popped, stays, shelf = draw_lane(order .. '|' .. tenant .. '|' .. campaign, most, batch, tenant)
  if got > 0 and scopes then spend(scope, cls, got) end
  if not stays and shelf then
    step_aside(order, path, cls, tenant, campaign) -- until its pack is opened: `wanted` keeps it
  elseif not stays then
    leave(cls, path, tenant, campaign)
  end
  if got > 0 then served(lanes, campaign, since + got / weight, reached) end
  return got, popped
end

-- Take up to n items of one class from a path: the tenants by their turn.
local function draw(class, path, n, batch)
  local cls = number(class)
  local order = cls .. '|' .. path
  local tenants, drawn, gone = 'tenants:' .. order, 0, 0
  for _ = 1, 64 do
    if drawn >= n then break end
    local tenant, since, reached = foremost(tenants, 't|', n - drawn)
    if not tenant then break end
    local scope = 't|' .. tenant
    local most, weight, again = allowance(scope, cls, n - drawn)
    if blocked(scope, order, most, again) or (gates and cls == '2' and blocked('b|' .. tenant, order, 1)) then
      withdraw(cls, path, tenant)
    else
      local got, popped = draw_tenant(order, path, cls, tenant, most, batch)
      gone = gone + popped
      if popped == 0 and keen and keen > 0 then break end -- it keeps its turn: nothing of it suits the source
      if got > 0 then
        drawn = drawn + got
        if scopes then spend(scope, cls, got) end
        call('HSET', P .. 'path:' .. path, 'v' .. cls, string.format('%.3f', reached))
        served(tenants, tenant, since + got / weight, reached)
      end
    end
  end
  if gone > 0 then waiting(cls, path, -gone) end
  return drawn
end
