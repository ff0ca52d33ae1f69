-- How lanes and shelves are filled and emptied, and who is woken by it.
local function split(lane)
  return string.match(lane, '^(%d)|([^|]*|[^|]*)|([^|]*)|(.*)$')
end

local function is_store(path)
  return string.sub(path, -2) == '|*'
end

local function rows_of(pack)
  return string.byte(pack, 2) * 256 + string.byte(pack, 3)
end

-- Messages that wait in lanes, by class and by path; kept exact by whoever moves some.
local function waiting(cls, path, by)
  call('HINCRBY', P .. 'ready', cls, by)
  call('HINCRBY', P .. 'path:' .. path, 'n', by)
end

-- Stand in an order of virtual time at a time; one that left it with more than its share, where it stood then.
local function place(order, at, member)
  at = math.max(at, call('ZSCORE', P .. 'past:' .. order, member) or 0)
  call('ZADD', P .. order, 'NX', at, member)
end

-- Remember where one stood that left an order in which others wait, for as long as it matters.
local function remember(order, member, at, reached)
  local past = P .. 'past:' .. order
  call('ZREMRANGEBYSCORE', past, '-inf', reached)
  call('ZADD', past, string.format('%.3f', at), member)
  call('EXPIRE', past, 3600)
end

-- Move one that was served to its new time.
local function served(order, member, at, reached)
  if call('ZADD', P .. order, 'XX', 'CH', string.format('%.3f', at), member) == 0
    and call('EXISTS', P .. order) == 1 then
    remember(order, member, at, reached)
  end
end

-- A tenant takes its place on a path at the virtual time the path has reached: it neither jumps the queue nor pays
-- for the time it was away. The path becomes due now.
local function enter(cls, path, tenant)
  local order, key = cls .. '|' .. path, P .. 'path:' .. path
  place('tenants:' .. order, call('HGET', key, 'v' .. cls) or 0, tenant)
  if is_store(path) then
    call('ZADD', P .. 'stores', 0, order)
  else
    call('ZADD', P .. 'due:' .. cls, 'NX', NOW, path)
  end
  call('PERSIST', key)
end

-- A lane that has something now joins its tenant's order, behind nobody and ahead of nobody of that tenant.
local function join(cls, path, tenant, campaign)
  local order = cls .. '|' .. path
  local lanes = 'lanes:' .. order .. '|' .. tenant
  local first = call('ZRANGE', P .. lanes, 0, 0, 'WITHSCORES')
  if first[1] then
    place(lanes, first[2], campaign)
  else
    call('ZADD', P .. lanes, 0, campaign)
    call('DEL', P .. 'past:' .. lanes)
    enter(cls, path, tenant)
  end
  call('SADD', P .. 'of:' .. tenant .. '|' .. campaign, order)
  call('SADD', P .. 'of:' .. tenant, campaign)
end

-- A tenant that has no lanes left on a path leaves its order; a path that nobody waits for is forgotten in an hour.
local function withdraw(cls, path, tenant)
  local order = cls .. '|' .. path
  call('ZREM', P .. 'tenants:' .. order, tenant)
  if call('EXISTS', P .. 'tenants:' .. order) == 1 then return end
  if is_store(path) then
    call('ZREM', P .. 'stores', order)
  else
    call('ZREM', P .. 'due:' .. cls, path)
  end
  call('EXPIRE', P .. 'path:' .. path, 3600)
end

-- A lane that became empty leaves every index it stands in.
local function leave(cls, path, tenant, campaign)
  local order = cls .. '|' .. path
  local lanes = P .. 'lanes:' .. order .. '|' .. tenant
  call('ZREM', lanes, campaign)
  if call('EXISTS', lanes) == 0 then withdraw(cls, path, tenant) end
  local of = P .. 'of:' .. tenant .. '|' .. campaign
  call('SREM', of, order)
  if call('EXISTS', of) == 0 then call('SREM', P .. 'of:' .. tenant, campaign) end
end

local function push(lane, items, front)
  local cls, path, tenant, campaign = split(lane)
  local length = call(front and 'LPUSH' or 'RPUSH', P .. 'lane:' .. lane, unpack(items))
  waiting(cls, path, #items)
  if length == #items then join(cls, path, tenant, campaign) end
end

-- Later mail waits in buckets; coarser ones the further away, so that five days of retries need few keys.
-- What waits is "<lane>\n<item>", or "+<lane>\n<pack>" for a pack.
-- `later` counts the messages in it by class.
local function later(entry, by)
  local cls, pack = string.match(entry, '^%+(%d)|[^\n]*\n(.*)$')
  if not cls then
    call('HINCRBY', P .. 'later', string.sub(entry, 1, 1), by)
  else
    call('HINCRBY', P .. 'later', cls, by * rows_of(pack))
  end
end

local function delay(name, payload, at)
  local ahead = at - NOW
  local grain = ahead < 60000 and 250 or (ahead < 3600000 and 5000 or 60000)
  local bucket = number(math.ceil(at / grain) * grain)
  call('RPUSH', P .. 'wheel:' .. bucket, name .. '\n' .. payload)
  call('ZADD', P .. 'wheel', bucket, bucket)
  later(name .. '\n' .. payload, 1)
end

-- Wake workers that found nothing to do: for the higher classes first those that take nothing else, and when nobody is
-- idle the busy ones, too.
local function wake(most, high)
  local rung = high and call('SPOP', P .. 'idle:high', 1) or {}
  if #rung == 0 then rung = call('SPOP', P .. 'idle', most) end
  if high and #rung == 0 then rung = call('ZRANGE', P .. 'workers', 0, 15) end
  for _, worker in ipairs(rung) do
    if call('EXISTS', P .. 'wake:' .. worker) == 0 then
      call('RPUSH', P .. 'wake:' .. worker, high and '!' or '.')
      call('PEXPIRE', P .. 'wake:' .. worker, 10000)
    end
  end
end

local function wake_expander()
  if call('EXISTS', P .. 'wake:expander') == 0 then
    call('RPUSH', P .. 'wake:expander', '.')
    call('PEXPIRE', P .. 'wake:expander', 10000)
  end
end

-- A pack goes on its lane's shelf, or into the wheel until its time.
local function shelve(lane, pack, at, front)
  if at > NOW then return delay('+' .. lane, pack, at) end
  local cls, path, tenant, campaign = split(lane)
  local length = call(front and 'LPUSH' or 'RPUSH', P .. 'shelf:' .. lane, pack)
  call('HINCRBY', P .. 'shelved', lane, rows_of(pack))
  if length == 1 and call('EXISTS', P .. 'lane:' .. lane) == 0 then join(cls, path, tenant, campaign) end
  if is_store(path) then wake_expander() end
end

-- Take the first pack off a lane's shelf; the lane leaves when it has nothing else.
local function unshelve(lane)
  local pack = call('LPOP', P .. 'shelf:' .. lane)
  if not pack then return nil end
  if call('HINCRBY', P .. 'shelved', lane, -rows_of(pack)) <= 0 then call('HDEL', P .. 'shelved', lane) end
  if call('EXISTS', P .. 'shelf:' .. lane, P .. 'lane:' .. lane) == 0 then leave(split(lane)) end
  return pack
end

-- Bring one "<class>|<path>" back that was parked because a scope was closed: s|<site>, x|<source>, t|<tenant>,
-- b|<tenant> or c|<tenant>|<campaign>; or had sent its day's mail: w|<source>|<provider>.
local function unpark(scope, order)
  local cls, path = string.match(order, '^(%d)|(.*)$')
  local kind, tenant, campaign = string.match(scope, '^(%a)|([^|]*)|?(.*)$')
  if kind == 's' or kind == 'x' or kind == 'w' then
    if call('EXISTS', P .. 'tenants:' .. order) == 1 then call('ZADD', P .. 'due:' .. cls, NOW, path) end
  elseif kind == 't' or kind == 'b' then
    if call('EXISTS', P .. 'lanes:' .. order .. '|' .. tenant) == 1 then enter(cls, path, tenant) end
  else
    local lane = order .. '|' .. tenant .. '|' .. campaign
    if call('EXISTS', P .. 'lane:' .. lane, P .. 'shelf:' .. lane) > 0 then join(cls, path, tenant, campaign) end
  end
end

-- The connection permits of a worker that is gone, or begins anew, go back to their paths.
local function release(worker)
  for _, path in ipairs(call('SMEMBERS', P .. 'held:' .. worker)) do
    call('HDEL', P .. 'path:' .. path, 'o:' .. worker, 'i:' .. worker)
    for cls = 0, 2 do call('ZADD', P .. 'due:' .. cls, 'XX', 'LT', NOW, path) end
  end
  call('DEL', P .. 'held:' .. worker, P .. 'wake:' .. worker, P .. 'shed:' .. worker)
  call('SREM', P .. 'idle', worker)
  call('SREM', P .. 'idle:high', worker)
end
