#!lua flags=allow-oom
-- Say once that every recipient of a campaign has its final event.
-- A = { scope, fields }.  Returns 1 when said now, 0 when it had been said.
if call('HSETNX', P .. 'count:' .. A[1], 'finished', 1) == 0 then return 0 end
emit(A[2])
return 1
