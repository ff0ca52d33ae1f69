#!lua
-- Close a submission entry: its totals, its place for the archive, its `accepted` event.
-- A = { seen, accepted, refused, entry, blob, fields, by }
--   blob  what the archive keeps under the entry's number ("" = nothing to keep)
--   by  id of the stream entry, so that the same one, read again after a crash, is not told as a repeat
-- Returns 1; when it had been closed before, 2 by the same stream entry, 0 by another (then nothing changes).
local seen = P .. 'seen:' .. A[1]
local done = call('HGET', seen, 'done')
if done then return done == A[7] and 2 or 0 end
call('HSET', seen, 'done', A[7], 'accepted', A[2], 'refused', A[3])
if A[5] ~= '' then call('HSET', P .. 'entry', number(A[4]), A[5]) end
emit(A[6])
return 1
