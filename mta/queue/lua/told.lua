#!lua flags=no-writes,allow-oom
-- Look back through the event stream for events with one value. Nothing is changed.
-- A = { until, since, name, value, most }
--   until  stream id to begin with, "+" = the newest, "(<id>" = before that one; since: stream id to end with
--   name, value  a field that an event must have; most: events to give (<= 64)
-- Returns { next, looked, { id, fields }... }, the newest first; next: what to give as `until` to go on, "" = no more.
-- Cap: 500 events.
local entries = call('XREVRANGE', P .. 'events', A[1], A[2], 'COUNT', 500)
local out, looked = { '', 0 }, 0
for _, entry in ipairs(entries) do
  looked = looked + 1
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == A[3] and fields[i + 1] == A[4] then
      out[#out + 1] = entry
      break
    end
  end
  if #out - 2 >= A[5] then break end
end
out[2] = looked
if looked == 500 or looked < #entries then out[1] = '(' .. entries[looked][1] end
return out
