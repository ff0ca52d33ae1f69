#!lua
-- Open a submission entry by its idempotency key.
-- A = { seen, digest, shards, home, id, key }
--   id  "<tenant>:<message id>" to be bound to `key`, "" = none
-- Returns { state, entry, chunk, accepted, refused, by }:  state new | resume | repeat | conflict | taken
--   taken: the id is bound to another key; nothing changed
--   by: the stream entry that closed it, "" = none yet
--   resume: an earlier ingest died part-way; chunks up to `chunk` are in their lanes already
local seen = P .. 'seen:' .. A[1]
local digest = call('HGET', seen, 'digest')
if digest then
  local state = call('HMGET', seen, 'entry', 'chunk', 'accepted', 'refused', 'done')
  local word = 'resume'
  if digest ~= A[2] then word = 'conflict' elseif state[5] then word = 'repeat' end
  return { word, tonumber(state[1]), tonumber(state[2] or 0), tonumber(state[3] or 0), tonumber(state[4] or 0),
    state[5] or '' }
end
if A[5] ~= '' and not call('SET', P .. 'id:' .. A[5], A[6], 'NX', 'EX', 86400)
  and call('GET', P .. 'id:' .. A[5]) ~= A[6] then
  return { 'taken', 0, 0, 0, 0, '' }
end
local entry = call('INCR', P .. 'entries') * A[3] + A[4]
call('HSET', seen, 'digest', A[2], 'entry', number(entry))
call('EXPIRE', seen, 86400)
return { 'new', entry, 0, 0, 0, '' }
