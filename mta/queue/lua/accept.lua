#!lua
-- Close a submission entry: its totals, its place for the archive, its `accepted` event.
-- A = { seen, accepted, refused, entry, blob, fields }
--   blob  what the archive keeps under the entry's number ("" = nothing to keep)
-- Returns 1, or 0 when it had been closed before (then nothing changes).
local seen = P .. 'seen:' .. A[1]
if call('HGET', seen, 'done') then return 0 end
call('HSET', seen, 'done', 1, 'accepted', A[2], 'refused', A[3])
if A[5] ~= '' then call('HSET', P .. 'entry', number(A[4]), A[5]) end
emit(A[6])
return 1
