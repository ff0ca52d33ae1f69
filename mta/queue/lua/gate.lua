#!lua flags=allow-oom
-- Close or open a scope, and let what waited behind it go on.
-- A = { op, scope, state, fields }
--   op close: remember `state` (JSON) under the scope; fields = event
--   op open:  forget it, then bring up to 200 parked lanes and paths back; call again while it returns > 0
-- scope  t|<tenant>, c|<tenant>|<campaign> or s|<site>
-- Returns for close 1 (0 when it was closed before: the state is replaced, no second event);
-- for open the number brought back, -1 when the scope was not closed and nothing is parked.
local scope, parked = A[2], P .. 'parked:' .. A[2]
if A[1] == 'close' then
  local fresh = call('HSET', P .. 'gates', scope, A[3])
  if fresh == 1 and #A[4] > 0 then emit(A[4]) end
  return fresh
end
-- Until nothing is parked any more the scope stands in `opening`: a keeper finishes what a dead process began.
call('SADD', P .. 'opening', scope)
local was = call('HDEL', P .. 'gates', scope)
if was == 1 and #A[4] > 0 then emit(A[4]) end
local back = 0
for _, name in ipairs(call('SPOP', parked, 200)) do
  if string.sub(scope, 1, 2) == 's|' then
    call('ZADD', P .. 'due:' .. string.sub(name, 1, 1), NOW, string.sub(name, 3))
  elseif call('EXISTS', P .. 'lane:' .. name) == 1 then
    activate(name)
  end
  back = back + 1
end
if back > 0 then wake(16) else call('SREM', P .. 'opening', scope) end
if was == 0 and back == 0 then return -1 end
return back
