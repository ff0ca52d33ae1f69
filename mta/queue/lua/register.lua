#!lua flags=allow-oom
-- parts: lanes
-- A worker takes its name: a new epoch, a lease, and no connection permits from an earlier life.
-- A = { worker, lease }.  Returns { epoch, number of items still in its flight from before }.
local worker = A[1]
local epoch = call('INCR', P .. 'epochs')
call('HSET', P .. 'epoch', worker, epoch)
call('ZADD', P .. 'workers', NOW + A[2], worker)
release(worker)
return { epoch, call('HLEN', P .. 'flight:' .. worker) }
