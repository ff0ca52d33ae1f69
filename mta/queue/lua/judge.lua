#!lua flags=allow-oom
-- Take the mark off a scope that was judged, and write down what stands of it, once.
-- A = { scope, mark, before, after, fields }
--   mark    as read: when the scope was counted again meanwhile it stays, and the scope is judged again
--   before  what stood ("" = nothing), after  what stands now ("" = nothing); with both empty only the mark is looked at
--   fields  the event that tells of it, none = no event
-- Returns 1, or 0 when something else stood meanwhile: nothing is written then, and no event.
if A[2] ~= '' and call('HGET', P .. 'judged', A[1]) == A[2] then call('HDEL', P .. 'judged', A[1]) end
if A[3] == A[4] then return 1 end
if (call('HGET', P .. 'guard', A[1]) or '') ~= A[3] then return 0 end
if A[4] == '' then
  call('HDEL', P .. 'guard', A[1])
else
  call('HSET', P .. 'guard', A[1], A[4])
end
if #A[5] > 0 then emit(A[5]) end
return 1
