-- What answers do to a path: a pace after "too fast", a stop, a slower pace or an alarm by the rules of the shaping file.
local STOP_MOST = 8 * 3600000

-- Messages per second a path may send by its limits, 0 = any number.
local function permitted(path, interval)
  local site = string.match(path, '|(.*)$')
  for _, row in ipairs(call('HMGET', P .. 'limits', site, '!' .. site)) do
    local own, till = string.match(row or '', '^(%S+) %S+ %S+ ?(%S*)')
    if own and tonumber(own) >= 0 and (till == '' or tonumber(till) > NOW) then interval = tonumber(own) end
  end
  return interval > 0 and 1000 / interval or 0
end

-- How many workers have connections on a path, as far as they have told.
local function holders(key)
  local n = 0
  for _, name in ipairs(call('HKEYS', key)) do
    if string.sub(name, 1, 2) == 'o:' then n = n + 1 end
  end
  return math.max(n, 1)
end

-- share of the latest attempts of one worker that were refused; age: ms since the first of them began; interval: of a
-- path without limits of its own; own: messages per second of this worker.
local function slow_down(path, share, age, interval, own)
  local key = P .. 'path:' .. path
  local had = call('HMGET', key, 'top', 'base', 'cut', 'waits')
  local top, base, at, waits = tonumber(had[1]), tonumber(had[2]), tonumber(had[3]), tonumber(had[4] or 0)
  local before = permitted(path, interval)
  local now = top and paced(top, base, at) or 0
  if now > 0 and (before == 0 or now < before) then before = now end
  -- A limit far above what is sent says nothing; twice, since a worker's own part of it is a guess.
  local sent = 2 * own * holders(key)
  if before == 0 or before > sent then before = sent end
  top, base, at, waits = cut_pace(top, base, at, waits, NOW - age, before, share)
  if top then
    call('HSET', key, 'top', string.format('%.4f', top), 'base', string.format('%.4f', base),
      'cut', number(at), 'waits', waits)
  end
end

-- Fewer connections where a receiver refuses those: one is added again every half minute.
local function hold_back(path, most)
  local key = P .. 'path:' .. path
  call('HSET', key, 'few', math.max(1, math.floor(most * 0.75)), 'fewer', number(NOW))
end

-- Count answers under a rule, and act when there were enough within its time. What a rule does grows with each time
-- that follows soon.
--   rule  { path, name, n, count, within, stop, slow, lasts, fields }: name of the counter; n answers; ms; ms; factor and
--   ms; the event without eid and until
local function react(rule)
  local key, counter = P .. 'path:' .. rule[1], P .. 'answers:' .. rule[1]
  local since, n, times, acted = string.match(call('HGET', counter, rule[2]) or '', '^(%d+) (%d+) (%d+) (%d+)$')
  since, n, times, acted = tonumber(since), tonumber(n or 0), tonumber(times or 0), tonumber(acted or 0)
  if not since or NOW > since + rule[5] then since, n = NOW, 0 end
  n = n + rule[3]
  local due = n >= rule[4] and (acted == 0 or NOW > acted)
  local till
  if due then
    times = NOW < acted + 4 * math.max(rule[6], rule[8], rule[5]) and acted > 0 and times + 1 or 0
    since, n, acted = NOW, 0, NOW
    if rule[6] > 0 then
      till = NOW + math.min(rule[6] * 2 ^ times, math.max(STOP_MOST, rule[6]))
      call('HSET', key, 'stop', number(till))
      acted = till
    elseif rule[7] > 0 then
      till = NOW + rule[8]
      call('HSET', key, 'slow', rule[7], 'slowed', number(till))
      acted = till
    else
      acted = NOW + rule[5] -- an alarm is told once in its time
    end
    if #rule[9] > 0 then
      local fields = rule[9]
      fields[#fields + 1] = 'ts'
      fields[#fields + 1] = number(NOW)
      fields[#fields + 1] = 'eid'
      fields[#fields + 1] = 'path/' .. rule[1] .. '/' .. rule[2] .. '/' .. number(NOW)
      if till then
        fields[#fields + 1] = 'until'
        fields[#fields + 1] = number(till)
      end
      emit(fields)
    end
  end
  call('HSET', counter, rule[2], number(since) .. ' ' .. n .. ' ' .. times .. ' ' .. number(acted))
  call('EXPIRE', counter, 172800)
end
