#!lua
-- parts: lanes terms
-- Give an expander packs whose rows are to go into lanes now.
-- A = { most, lease, ready }  most packs; lease ms until another may have them; ready: messages in lanes that suffice
-- Order: packs whose expander died, packs of lanes that are running dry, then, while workers ask for more than the
-- lanes hold, packs nobody has looked at: by class, fair to tenants and their campaigns as take is.
-- Returns { { id, lane, pack }... }; each stands in `expanding` until expand removes it.
-- Not allow-oom: the lanes grow by what it leads to.
local most, out = A[1], {}
local function claim(lane, pack)
  local id = string.sub(pack, 4, 12)
  call('HSET', P .. 'expanding', id, lane .. '\n' .. pack)
  call('ZADD', P .. 'expandings', NOW + A[2], id)
  out[#out + 1] = { id, lane, pack }
end
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'expandings', '-inf', NOW, 'LIMIT', 0, most)) do
  local held = call('HGET', P .. 'expanding', id)
  if held then
    local cut = string.find(held, '\n', 1, true)
    claim(string.sub(held, 1, cut - 1), string.sub(held, cut + 1))
  else
    call('ZREM', P .. 'expandings', id)
  end
end
if #out < most then
  for _, lane in ipairs(call('SPOP', P .. 'wanted', most - #out)) do
    local pack = unshelve(lane)
    if pack then
      claim(lane, pack)
      -- It may have stepped aside; should this pack give it nothing, its turn comes for the next.
      if call('EXISTS', P .. 'shelf:' .. lane) == 1 then join(split(lane)) end
    end
  end
end

local gates = call('EXISTS', P .. 'gates') == 1
-- The closed scope that keeps a campaign's store: the campaign itself, or all of it that nobody has looked at.
local function closed_for(tenant, campaign)
  for _, kind in ipairs({ 'c|', 'k|' }) do
    local scope = kind .. tenant .. '|' .. campaign
    if call('HEXISTS', P .. 'gates', scope) == 1 then return scope end
  end
end

-- The first campaign of the first tenant in a store's order; closed ones step aside until they are opened.
local function next_pack(order)
  local cls, path = string.match(order, '^(%d)|(.*)$')
  local tenants = P .. 'tenants:' .. order
  for _ = 1, 16 do
    local first = call('ZRANGE', tenants, 0, 0, 'WITHSCORES')
    local tenant = first[1]
    if not tenant then return nil end
    local lanes = P .. 'lanes:' .. order .. '|' .. tenant
    local shut = gates and (call('HEXISTS', P .. 'gates', 't|' .. tenant) == 1 and 't|'
      or cls == '2' and call('HEXISTS', P .. 'gates', 'b|' .. tenant) == 1 and 'b|')
    if shut then
      call('SADD', P .. 'parked:' .. shut .. tenant, order)
      withdraw(cls, path, tenant)
    else
      local one = call('ZRANGE', lanes, 0, 0, 'WITHSCORES')
      local campaign = one[1]
      if not campaign then
        withdraw(cls, path, tenant)
      elseif gates and closed_for(tenant, campaign) then
        call('SADD', P .. 'parked:' .. closed_for(tenant, campaign), order)
        call('ZREM', lanes, campaign)
        if call('EXISTS', lanes) == 0 then withdraw(cls, path, tenant) end
      else
        local lane = order .. '|' .. tenant .. '|' .. campaign
        local pack = unshelve(lane)
        if not pack then
          leave(cls, path, tenant, campaign)
        else
          local rows = rows_of(pack)
          call('HSET', P .. 'path:' .. path, 'v' .. cls, first[2])
          local weight = terms('t|' .. tenant)
          served('tenants:' .. order, tenant, first[2] + rows / weight, first[2])
          weight = terms('c|' .. tenant .. '|' .. campaign)
          served('lanes:' .. order .. '|' .. tenant, campaign, one[2] + rows / weight, one[2])
          return lane, pack
        end
      end
    end
  end
end

local asked = tonumber(call('GET', P .. 'hungry') or 0)
for _, order in ipairs(call('ZRANGE', P .. 'stores', 0, 31)) do
  local cls = string.sub(order, 1, 1)
  local lack = math.max(asked, A[3] - tonumber(call('HGET', P .. 'ready', cls) or 0))
  while lack > 0 and #out < most do
    local lane, pack = next_pack(order)
    if not lane then break end
    claim(lane, pack)
    lack = lack - rows_of(pack)
    asked = asked - rows_of(pack)
  end
end
if #out < most then call('DEL', P .. 'hungry') end
return out
