#!lua
-- Open a submission entry by its idempotency key.
-- A = { seen, digest, shards, home }
-- Returns { state, entry, chunk, accepted, refused }:  state new | resume | repeat | conflict
--   resume: an earlier ingest died part-way; chunks up to `chunk` are in their lanes already
local seen = P .. 'seen:' .. A[1]
local digest = call('HGET', seen, 'digest')
if digest then
  local state = call('HMGET', seen, 'entry', 'chunk', 'accepted', 'refused', 'done')
  local word = 'resume'
  if digest ~= A[2] then word = 'conflict' elseif state[5] then word = 'repeat' end
  return { word, tonumber(state[1]), tonumber(state[2] or 0), tonumber(state[3] or 0), tonumber(state[4] or 0) }
end
local entry = call('INCR', P .. 'entries') * A[3] + A[4]
call('HSET', seen, 'digest', A[2], 'entry', number(entry))
call('EXPIRE', seen, 86400)
return { 'new', entry, 0, 0, 0 }
