#!lua flags=allow-oom
-- parts: lanes
-- Drop what waits of a campaign (or of a tenant's single messages), a step at a time.
-- A = { scope, fields, cursor, eid }  scope "<tenant>|<campaign>"; fields of the event, to which `count` is added, and
--   `eid` with the number of this step in the shard's life: a purge that is begun again counts on
--   cursor  "": lanes and shelves; then "picked": packs being expanded; then "<bucket> <entries left>" of the wheel
-- Returns { dropped, cursor }: call again with the cursor until it is "done". Cap: 256 items or packs looked at.
local scope, dropped, cursor = A[1], 0, A[3]
local function drop(item)
  dropped = dropped + 1
  local record = cmsgpack.unpack(string.sub(item, 12)) -- mta.message.Record; the tenth member is `body`
  local body = record[10]
  if body and body ~= '' and call('HINCRBY', P .. 'body:' .. body, 'left', -1) <= 0 then
    call('UNLINK', P .. 'body:' .. body)
  end
end
local function is_ours(lane)
  local _, _, tenant, campaign = split(lane)
  return tenant .. '|' .. campaign == scope
end
if cursor == '' then
  local order = call('SRANDMEMBER', P .. 'of:' .. scope)
  if order then
    local lane = order .. '|' .. scope
    local cls, path, tenant, campaign = split(lane)
    local items = call('LPOP', P .. 'lane:' .. lane, 256) or {}
    for _, item in ipairs(items) do drop(item) end
    if #items > 0 then waiting(cls, path, -#items) end
    local looked = #items
    while looked < 256 do
      local pack = call('LPOP', P .. 'shelf:' .. lane)
      if not pack then break end
      dropped = dropped + rows_of(pack)
      looked = looked + 16
    end
    if call('EXISTS', P .. 'shelf:' .. lane) == 0 then call('HDEL', P .. 'shelved', lane) end
    if call('EXISTS', P .. 'lane:' .. lane, P .. 'shelf:' .. lane) == 0 then
      leave(cls, path, tenant, campaign)
      call('SREM', P .. 'parked:c|' .. scope, order)
      call('SREM', P .. 'parked:k|' .. scope, order)
    end
  else
    cursor = 'picked'
  end
elseif cursor == 'picked' then
  -- Few: an expander holds at most some dozens at a time.
  local held = call('HGETALL', P .. 'expanding')
  for i = 1, #held, 2 do
    local cut = string.find(held[i + 1], '\n', 1, true)
    if is_ours(string.sub(held[i + 1], 1, cut - 1)) then
      dropped = dropped + rows_of(string.sub(held[i + 1], cut + 1))
      call('HDEL', P .. 'expanding', held[i])
      call('ZREM', P .. 'expandings', held[i])
    end
  end
  cursor = '0 0'
else
  local bucket, left = string.match(cursor, '^(%S+) (%d+)$')
  left = tonumber(left)
  if left == 0 then
    bucket = call('ZRANGEBYSCORE', P .. 'wheel', '(' .. bucket, '+inf', 'LIMIT', 0, 1)[1]
    left = bucket and call('LLEN', P .. 'wheel:' .. bucket) or 0
  end
  if not bucket then
    -- Once more when a retry came due, or a pack was opened, behind the look at the lanes.
    cursor = call('EXISTS', P .. 'of:' .. scope) == 1 and '' or 'done'
  else
    -- One round through the bucket: what stays goes to its end, so new arrivals are never looked at twice.
    local key = P .. 'wheel:' .. bucket
    local entries = call('LPOP', key, math.min(256, math.max(left, 1))) or {}
    for _, entry in ipairs(entries) do
      local cut = string.find(entry, '\n', 1, true)
      local is_pack = string.byte(entry, 1) == 43
      if is_ours(string.sub(entry, is_pack and 2 or 1, cut - 1)) then
        later(entry, -1)
        if is_pack then
          dropped = dropped + rows_of(string.sub(entry, cut + 1))
        else
          drop(string.sub(entry, cut + 1))
        end
      else
        call('RPUSH', key, entry)
      end
    end
    left = #entries == 0 and 0 or math.max(0, left - #entries)
    if call('EXISTS', key) == 0 then call('ZREM', P .. 'wheel', bucket) end
    cursor = bucket .. ' ' .. number(left)
  end
end
if dropped > 0 then
  local fields = A[2]
  fields[#fields + 1] = 'count'
  fields[#fields + 1] = number(dropped)
  fields[#fields + 1] = 'eid'
  fields[#fields + 1] = A[4] .. '.' .. number(call('INCR', P .. 'purges'))
  emit(fields)
  count(scope, 'purged', dropped)
end
return { dropped, cursor }
