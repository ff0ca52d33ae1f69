#!lua flags=allow-oom
-- A worker takes its name: a new epoch, a lease, and no connection permits from an earlier life.
-- A = { worker, lease }.  Returns { epoch, number of items still in its flight from before }.
local worker = A[1]
local epoch = call('INCR', P .. 'epochs')
call('HSET', P .. 'epoch', worker, epoch)
call('ZADD', P .. 'workers', NOW + A[2], worker)
for _, path in ipairs(call('SMEMBERS', P .. 'held:' .. worker)) do
  call('HDEL', P .. 'path:' .. path, 'o:' .. worker, 'i:' .. worker)
  for cls = 0, 2 do call('ZADD', P .. 'due:' .. cls, 'XX', 'LT', NOW, path) end
end
call('DEL', P .. 'held:' .. worker, P .. 'wake:' .. worker)
call('SREM', P .. 'idle', worker)
return { epoch, call('HLEN', P .. 'flight:' .. worker) }
