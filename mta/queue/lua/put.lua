#!lua
-- parts: lanes opening
-- Put one chunk of a submission entry into its lanes or on its shelf, once.
-- A = { seen, chunk, groups, events, counts, bodies, packs, drawn, opening }
--   seen    "<tenant>:<key>" of the entry; chunk  its number, from 1
--   groups  { { lane, at, item... }... }  at: ms since 1970, 0 = now
--   events  { { field, value, ... }... }; counts { { scope, field, n }... }; bodies { { suffix, document, left }... }
--   packs   { { lane, at, pack }... }  many recipients each, looked at when there is room for them
--   drawn   { { scope, field, n }... }  of a campaign's canary: how many were drawn, in all and by domain; or nil
--   opening { digest, id, key, entry }  opens the entry in the same step, under a number reserved for it (begin.lua); or nil
-- Returns 1 when put, 0 when this chunk had been put before, -1 when the entry to be opened is known (then nothing changes).
-- Cap: 256 items, 256 events and 16 packs a call. Not allow-oom: a full server refuses new mail, never results.
local seen = P .. 'seen:' .. A[1]
local opening = A[9]
if opening then
  local state = open(A[1], opening[1], opening[2], opening[3], function() return opening[4] end)
  if state[1] ~= 'new' then return -1 end
end
if tonumber(call('HGET', seen, 'chunk') or 0) >= A[2] then return 0 end
call('HSET', seen, 'chunk', A[2])
call('EXPIRE', seen, 86400)
for _, body in ipairs(A[6]) do
  call('HSET', P .. 'body:' .. body[1], 'document', body[2], 'left', body[3])
end
local now, high = 0, false
for _, group in ipairs(A[3]) do
  local lane, at = group[1], group[2]
  if at > NOW then
    for i = 3, #group do delay(lane, group[i], at) end
  else
    local items = {}
    for i = 3, #group do items[i - 2] = group[i] end
    push(lane, items)
    now = now + 1
    high = high or string.byte(lane, 1) < 50 -- before "2", bulk
  end
end
for _, pack in ipairs(A[7]) do shelve(pack[1], pack[3], pack[2]) end
for _, fields in ipairs(A[4]) do emit(fields) end
for _, one in ipairs(A[5]) do count(one[1], one[2], one[3]) end
for _, one in ipairs(A[8] or {}) do call('HINCRBY', P .. 'canary:' .. one[1], one[2], one[3]) end
if now > 0 then wake(now, high) end
return 1
