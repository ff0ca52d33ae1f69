-- Shared by every script: arguments, the clock, and how a lane is filled.
-- KEYS[1]  the shard's key prefix, "mta:{s}:"; every other key is this and a suffix, so it shares the slot
-- ARGV[1]  one msgpack array: a script's arguments travel as a single blob, which costs the client a tenth
--          of what hundreds of separate arguments cost
-- Lane  "<class>|<pool>|<site>|<tenant>|<campaign>";  path  "<pool>|<site>"
-- Item  byte 1 format, byte 2 flags, bytes 3-11 message id, the rest msgpack (mta/queue/codec.py)
local P = KEYS[1]
local A = cmsgpack.unpack(ARGV[1])
local call = redis.call
local clock = call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function split(lane)
  return string.match(lane, '^(%d)|([^|]*|[^|]*)|([^|]*)|(.*)$')
end

local function number(value)
  return string.format('%.0f', value)
end

-- A lane that became non-empty joins its path's order at the path's virtual time, so that it neither
-- jumps the queue nor pays for the time it was away; its path becomes due now.
local function activate(lane)
  local cls, path, tenant, campaign = split(lane)
  local lanes = P .. 'lanes:' .. cls .. ':' .. path
  local first = call('ZRANGE', lanes, 0, 0, 'WITHSCORES')
  local virtual = first[2] or call('HGET', P .. 'path:' .. path, 'v' .. cls) or 0
  call('ZADD', lanes, 'NX', virtual, lane)
  call('ZADD', P .. 'due:' .. cls, 'NX', NOW, path)
  call('SADD', P .. 'of:' .. tenant .. '|' .. campaign, lane)
  call('SADD', P .. 'of:' .. tenant, tenant .. '|' .. campaign)
end

local function push(lane, items, front)
  local length = call(front and 'LPUSH' or 'RPUSH', P .. 'lane:' .. lane, unpack(items))
  if length == #items then activate(lane) end
end

-- A lane that became empty leaves every index it stands in.
local function forget(lane)
  local cls, path, tenant, campaign = split(lane)
  local lanes = P .. 'lanes:' .. cls .. ':' .. path
  call('ZREM', lanes, lane)
  if call('EXISTS', lanes) == 0 then call('ZREM', P .. 'due:' .. cls, path) end
  local of = P .. 'of:' .. tenant .. '|' .. campaign
  call('SREM', of, lane)
  if call('EXISTS', of) == 0 then call('SREM', P .. 'of:' .. tenant, tenant .. '|' .. campaign) end
end

-- Later mail waits in buckets; coarser ones the further away, so that five days of retries need few keys.
local function delay(lane, item, at)
  local ahead = at - NOW
  local grain = ahead < 60000 and 250 or (ahead < 3600000 and 5000 or 60000)
  local bucket = number(math.ceil(at / grain) * grain)
  call('RPUSH', P .. 'wheel:' .. bucket, lane .. '\n' .. item)
  call('ZADD', P .. 'wheel', bucket, bucket)
end

-- Wake workers that found nothing to do.
local function wake(most)
  local idle = call('SPOP', P .. 'idle', most)
  for _, worker in ipairs(idle) do
    call('RPUSH', P .. 'wake:' .. worker, '1')
    call('PEXPIRE', P .. 'wake:' .. worker, 10000)
  end
end

-- Add to a scope's totals; scope is "<tenant>|<campaign>".
local function count(scope, field, by)
  call('HINCRBY', P .. 'count:' .. scope, field, by)
  call('SADD', P .. 'dirty', scope)
end

local function emit(fields)
  call('XADD', P .. 'events', '*', unpack(fields))
end

-- The worker may act only under the epoch it registered with: a lost lease has another one, or none.
local function owns(worker, epoch)
  return call('HGET', P .. 'epoch', worker) == number(epoch)
end
