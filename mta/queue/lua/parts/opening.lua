-- The state of a submission entry by its idempotency key.
-- open(seen, digest, bound, key, entry) returns { state, entry, chunk, accepted, refused, by }; what it says is told in
-- begin.lua. `entry` is the number a new one gets: a function, so that none is drawn for one that is known.
local function open(name, digest, bound, key, entry)
  local seen = P .. 'seen:' .. name
  local known = call('HGET', seen, 'digest')
  if known then
    local state = call('HMGET', seen, 'entry', 'chunk', 'accepted', 'refused', 'done')
    local word = 'resume'
    if known ~= digest then word = 'conflict' elseif state[5] then word = 'repeat' end
    return { word, tonumber(state[1]), tonumber(state[2] or 0), tonumber(state[3] or 0), tonumber(state[4] or 0),
      state[5] or '' }
  end
  if bound ~= '' and not call('SET', P .. 'id:' .. bound, key, 'NX', 'EX', 86400)
    and call('GET', P .. 'id:' .. bound) ~= key then
    return { 'taken', 0, 0, 0, 0, '' }
  end
  local new = entry()
  call('HSET', seen, 'digest', digest, 'entry', number(new))
  call('EXPIRE', seen, 86400)
  return { 'new', new, 0, 0, 0, '' }
end
