#!lua flags=no-writes,allow-oom
-- Look for messages in one list that waits. Nothing is changed.
-- A = { kind, name, from, scope, needle, most, packs }
--   kind   lane | wheel | sieved | shelf; name: which one; from: the index to begin with
--   scope  text that an entry's lane must hold ("|acme|spring\n" is the end of one), of lane and shelf their name's own
--   needle text that an item must hold, "" = any; most: entries to give at most (<= 32), 0 = count only
--   packs  1: packs, which can't be looked into here, are given as well
-- Returns { length, next, rows, { index, entry }... }
--   next   index to go on with, -1 = all was looked at; rows: messages that matched, of a pack all that it holds
-- Cap: 1,000 entries, or 64 packs.
local kind, from, scope, needle, most = A[1], A[3], A[4], A[5], A[6]
local key = P .. kind .. ':' .. A[2]
local length = call('LLEN', key)
local step = kind == 'shelf' and 64 or 1000
local entries = call('LRANGE', key, from, from + step - 1)
local out = { length, from + #entries, 0 }
local headed = kind == 'wheel' or kind == 'sieved'
for at, entry in ipairs(entries) do
  local is_pack = kind == 'shelf' or (kind == 'wheel' and string.byte(entry, 1) == 43)
  local fits = true
  if headed and scope ~= '' then
    local cut = string.find(entry, '\n', 1, true) or 0
    fits = string.find(string.sub(entry, 1, cut), scope, 1, true) ~= nil
  end
  local rows = 1
  if is_pack and fits then
    local head = headed and string.find(entry, '\n', 1, true) or 0
    rows = string.byte(entry, head + 2) * 256 + string.byte(entry, head + 3)
    fits = A[7] == 1
  elseif fits then
    fits = needle == '' or string.find(entry, needle, 1, true) ~= nil
  end
  if fits then
    out[3] = out[3] + rows
    if most > 0 then out[#out + 1] = { from + at - 1, entry } end
    if most > 0 and #out - 3 >= most then
      out[2] = from + at
      break
    end
  end
end
if #entries == 0 or out[2] >= length then out[2] = -1 end
return out
