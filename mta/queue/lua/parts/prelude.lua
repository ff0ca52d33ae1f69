-- Shared by every script: arguments, the clock, and how lanes and shelves are filled and emptied.
-- KEYS[1]  the shard's key prefix, "mta:{s}:"; every other key is this and a suffix, so it shares the slot
-- ARGV[1]  one msgpack array: a script's arguments travel as a single blob, which costs the client a tenth
--          of what hundreds of separate arguments cost
-- Lane  "<class>|<pool>|<site>|<tenant>|<campaign>";  path  "<pool>|<site>"
-- Item  byte 1 format, byte 2 flags, bytes 3-11 message id, the rest msgpack (mta/queue/codec.py)
-- Pack  byte 1 format, bytes 2-3 rows, bytes 4-12 id, the rest compressed rows (mta/queue/packs.py); packs wait on a
--       lane's shelf: behind its items, or, for the site "*", before anybody has looked where its rows go
local P = KEYS[1]
local A = cmsgpack.unpack(ARGV[1])
local call = redis.call
local clock = call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function number(value)
  return string.format('%.0f', value)
end

-- Add to a scope's totals; scope is "<tenant>|<campaign>".
local function count(scope, field, by)
  call('HINCRBY', P .. 'count:' .. scope, field, by)
  call('SADD', P .. 'dirty', scope)
end

local function emit(fields)
  call('XADD', P .. 'events', '*', unpack(fields))
end
