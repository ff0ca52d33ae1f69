-- Weight and limits of a tenant or campaign: "<weight> <interval> <tolerance> <a day> <urgent a day>".
local function terms(scope)
  local text = call('HGET', P .. 'scopes', scope)
  if not text then return 1, 0, 0, 0, 0 end
  local w, interval, tolerance, day, urgent = string.match(text, '(%S+) (%S+) (%S+) (%S+) (%S+)')
  return tonumber(w), tonumber(interval), tonumber(tolerance), tonumber(day), tonumber(urgent)
end
