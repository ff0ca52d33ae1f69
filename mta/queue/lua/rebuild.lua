#!lua
-- Put a copy of a stream, in which some entries read otherwise, in the stream's place: at once, with its groups.
-- KEYS[1] is the stream here. A = { copy, last }  copy: the other key; last: id up to which it has been copied, "" = none
-- Returns 1, or 0 when more than 1,000 entries have come since: copy on, then call again. Cap: 1,000 entries.
-- Why a copy: XDEL only marks an entry, whose bytes stay in memory and file until its neighbours have gone.
local copy, last = A[1], A[2]
local rest = call('XRANGE', P, last == '' and '-' or '(' .. last, '+', 'COUNT', 1001)
if #rest > 1000 then return 0 end
for _, entry in ipairs(rest) do call('XADD', copy, entry[1], unpack(entry[2])) end
if call('EXISTS', copy) == 0 then
  call('XGROUP', 'CREATE', copy, 'none', '0', 'MKSTREAM')
  call('XGROUP', 'DESTROY', copy, 'none')
end
-- What was trimmed meanwhile stays trimmed.
local first = call('XRANGE', P, '-', '+', 'COUNT', 1)[1]
call('XTRIM', copy, 'MINID', first and first[1] or '18446744073709551615-18446744073709551615')
local function pairs_of(flat)
  local out = {}
  for i = 1, #flat, 2 do out[flat[i]] = flat[i + 1] end
  return out
end
local info = pairs_of(call('XINFO', 'STREAM', P))
call('XSETID', copy, info['last-generated-id'], 'ENTRIESADDED', info['entries-added'],
  'MAXDELETEDID', info['max-deleted-entry-id'])
for _, flat in ipairs(call('XINFO', 'GROUPS', P)) do
  local group = pairs_of(flat)
  local create = { 'XGROUP', 'CREATE', copy, group.name, group['last-delivered-id'] }
  if group['entries-read'] then
    create[6], create[7] = 'ENTRIESREAD', group['entries-read']
  end
  call(unpack(create))
  for _, one in ipairs(call('XPENDING', P, group.name, '-', '+', math.max(1, group.pending))) do
    call('XCLAIM', copy, group.name, one[2], 0, one[1], 'IDLE', one[3], 'RETRYCOUNT', one[4], 'FORCE', 'JUSTID')
  end
end
call('PERSIST', copy)
call('RENAME', copy, P)
return 1
