#!lua
-- parts: opening
-- Open a submission entry by its idempotency key.
-- A = { seen, digest, shards, home, id, key }
--   id  "<tenant>:<message id>" to be bound to `key`, "" = none
-- Returns { state, entry, chunk, accepted, refused, by }:  state new | resume | repeat | conflict | taken
--   taken: the id is bound to another key; nothing changed
--   by: the stream entry that closed it, "" = none yet
--   resume: an earlier ingest died part-way; chunks up to `chunk` are in their lanes already
return open(A[1], A[2], A[5], A[6], function() return call('INCR', P .. 'entries') * A[3] + A[4] end)
