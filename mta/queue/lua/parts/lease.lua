-- The worker may act only under the epoch it registered with: a lost lease has another one, or none.
local function owns(worker, epoch)
  return call('HGET', P .. 'epoch', worker) == number(epoch)
end
