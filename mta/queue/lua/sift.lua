#!lua flags=allow-oom
-- parts: lanes
-- Drop single messages from one list of waiting ones: a purge by domain, recipient or message, a step at a time.
-- A = { kind, name, left, scope, tenant, fields }
--   kind  lane | wheel | sieved; name: which one; left: entries to look at, 0 = all that are there now
--   scope d|<domain>, r|<recipient> or m|<tenant>|<message>; tenant "" = of all; fields of each event but its own
--   scope p|<address>: a person who is erased, in any letter case, and whose events name nobody
-- Returns { dropped, left }: call again while left > 0. Cap: 128 entries.
local kind, name, left, scope = A[1], A[2], A[3], A[4]
local key = P .. kind .. ':' .. name
if left == 0 then left = call('LLEN', key) end
local entries = call('LPOP', key, math.min(128, math.max(left, 1))) or {}
local keep, dropped = {}, 0
for _, entry in ipairs(entries) do
  local lane, item = name, entry
  local is_pack = kind == 'wheel' and string.byte(entry, 1) == 43
  if kind ~= 'lane' then
    local cut = string.find(entry, '\n', 1, true)
    lane, item = string.sub(entry, 1, cut - 1), string.sub(entry, cut + 1)
  end
  local hit = false
  if not is_pack then
    local _, _, tenant, campaign = split(lane)
    local record = cmsgpack.unpack(string.sub(item, 12)) -- mta.message.Record: name, rcpt, ..., tenth `body`
    hit = scope == 's|' .. string.match(lane, '^%d|[^|]*|([^|]*)|') or scope == 'c|' .. tenant .. '|' .. campaign
      or scope == 'm|' .. tenant .. '|' .. record[1] or scope == 'r|' .. record[2]
      or scope == 'd|' .. string.match(record[2], '([^@]*)$') or scope == 'p|' .. string.lower(record[2])
    hit = hit and (A[5] == '' or A[5] == tenant)
    if hit then
      dropped = dropped + 1
      if kind == 'wheel' then later(entry, -1) end
      local fields = { unpack(A[6]) }
      for _, part in ipairs({ 'eid', tenant .. '/' .. record[1] .. '/purged', 'id', record[1], 'tenant', tenant,
        'campaign', campaign, 'count', '1' }) do
        fields[#fields + 1] = part
      end
      if string.sub(scope, 1, 2) ~= 'p|' then
        for _, part in ipairs({ 'rcpt', record[2], 'ref', record[5] or '' }) do fields[#fields + 1] = part end
      end
      emit(fields)
      count(tenant .. '|' .. campaign, 'purged', 1)
      local body = record[10]
      if body and body ~= '' and call('HINCRBY', P .. 'body:' .. body, 'left', -1) <= 0 then
        call('UNLINK', P .. 'body:' .. body)
      end
    end
  end
  if not hit then keep[#keep + 1] = entry end
end
-- One round through the list: what stays goes to its end, in its order.
if #keep > 0 then call('RPUSH', key, unpack(keep)) end
if kind == 'lane' and #entries > 0 then
  local cls, path, tenant, campaign = split(name)
  if dropped > 0 then waiting(cls, path, -dropped) end
  if call('EXISTS', key, P .. 'shelf:' .. name) == 0 then leave(cls, path, tenant, campaign) end
elseif kind == 'wheel' and call('EXISTS', key) == 0 then
  call('ZREM', P .. 'wheel', name)
end
return { dropped, #entries == 0 and 0 or math.max(0, left - #entries) }
