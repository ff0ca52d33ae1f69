#!lua flags=allow-oom
-- Drop what waits of a campaign (or of a tenant's single messages), up to 256 items a call.
-- A = { scope, fields, cursor }  scope "<tenant>|<campaign>"; fields of the event, to which `count` is added
--   cursor  wheel bucket to go on from ("" = lanes are not done yet)
-- Returns { dropped, cursor }: call again with the cursor until it is "done".
local scope, dropped, cursor = A[1], 0, A[3]
local function drop(item)
  dropped = dropped + 1
  local record = cmsgpack.unpack(string.sub(item, 12)) -- mta.message.Record; the tenth member is `body`
  local body = record[10]
  if body and body ~= '' and call('HINCRBY', P .. 'body:' .. body, 'left', -1) <= 0 then
    call('UNLINK', P .. 'body:' .. body)
  end
end
if cursor == '' then
  local lane = call('SRANDMEMBER', P .. 'of:' .. scope)
  if lane then
    local items = call('LPOP', P .. 'lane:' .. lane, 256) or {}
    for _, item in ipairs(items) do drop(item) end
    if call('EXISTS', P .. 'lane:' .. lane) == 0 then
      forget(lane)
      local _, _, tenant, campaign = split(lane)
      call('SREM', P .. 'parked:c|' .. tenant .. '|' .. campaign, lane)
      call('SREM', P .. 'parked:t|' .. tenant, lane)
    end
  else
    cursor = '0'
  end
else
  local bucket = call('ZRANGEBYSCORE', P .. 'wheel', '(' .. cursor, '+inf', 'LIMIT', 0, 1)[1]
  if not bucket then
    cursor = 'done'
  else
    local key = P .. 'wheel:' .. bucket
    local entries = call('LRANGE', key, 0, -1)
    local keep, touched = {}, false
    for _, entry in ipairs(entries) do
      local cut = string.find(entry, '\n', 1, true)
      local _, _, tenant, campaign = split(string.sub(entry, 1, cut - 1))
      if tenant .. '|' .. campaign == scope then
        drop(string.sub(entry, cut + 1))
        touched = true
      else
        keep[#keep + 1] = entry
      end
    end
    if touched then
      call('DEL', key)
      for _, entry in ipairs(keep) do call('RPUSH', key, entry) end
      if #keep == 0 then call('ZREM', P .. 'wheel', bucket) end
    end
    cursor = bucket
  end
end
if dropped > 0 then
  local fields = A[2]
  fields[#fields + 1] = 'count'
  fields[#fields + 1] = number(dropped)
  emit(fields)
  count(scope, 'purged', dropped)
end
return { dropped, cursor }
