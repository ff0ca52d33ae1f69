-- The pace of a path whose receiver says "too fast", as mta/throttle/pace.py has it, which says why; a test holds the two
-- together. In the path's hash: `top` and `base` (messages per second), `cut` (ms), `waits`.
local LEAST_PACE = 0.05

local function round_ms(top)
  return math.max(12000, 300000 / top)
end

-- Messages per second now, 0 = nothing holds any more.
local function paced(top, base, at)
  local rounds = (NOW - at) / round_ms(top)
  if rounds < 0 then return math.max(top * 0.05, LEAST_PACE) end
  if rounds < 1 then return top - (top - base) * (1 - rounds) ^ 3 end
  if rounds < 6 then return top * (1 + 0.02 * (2 ^ (6 * (rounds - 1)) - 1)) end
  return 0
end

-- What the latest refusals make of it: top, base, at, waits; nothing when they say nothing of the present pace.
local function cut_pace(top, base, at, waits, began, before, share)
  if at and began < at then return end
  if not (at and NOW < at + round_ms(top)) then waits = 0 end
  if share >= 0.9 then
    local new = math.max((waits > 0 and top or before) * 0.85, LEAST_PACE)
    return new, math.max(new * 0.93, LEAST_PACE), NOW + math.min(1000 * 2 ^ waits, 16000), waits + 1
  end
  local found = before * (1 - share)
  return math.max(found * 0.98, LEAST_PACE), math.max(found * 0.93, LEAST_PACE), NOW, 0
end
