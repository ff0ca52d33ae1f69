#!lua flags=allow-oom
-- Add events that came from outside (opens, clicks, reports) and count them in their campaigns.
-- A = { { scope, kind, field, value, ... }... }  (<= 256)
for _, one in ipairs(A) do
  call('XADD', P .. 'events', '*', unpack(one, 3))
  if one[2] ~= '' then count(one[1], one[2], 1) end
end
return #A
