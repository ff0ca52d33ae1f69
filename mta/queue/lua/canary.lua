#!lua flags=allow-oom
-- Count what became of a canary's people, each once, however often their events are told.
-- A = { scope, { { id, site, state }... } }  state: delivered | deferred | bounced | complained | suppressed
-- Returns 1; 0 when the campaign has no canary that is watched: nothing changes. Cap: 256 results.
local key, people = P .. 'canary:' .. A[1], P .. 'tried:' .. A[1]
if call('SISMEMBER', P .. 'canaries', A[1]) == 0 then return 0 end
local after = {
  deferred = {},
  suppressed = {},
  delivered = { deferred = true },
  bounced = { deferred = true, delivered = true },
  complained = { deferred = true, delivered = true },
}
for _, one in ipairs(A[2]) do
  local id, site, state = one[1], one[2], one[3]
  local was = call('HGET', people, id)
  local before, there = string.match(was or '', '^(%a+)|(.*)$')
  if not was or after[state][before] then
    site = there or site -- a domain may have moved since
    call('HSET', people, id, state .. '|' .. site)
    -- Who complains has got the mail: they stay among the delivered.
    if was and not (state == 'complained' and before == 'delivered') then
      call('HINCRBY', key, before .. '|' .. site, -1)
    end
    if state == 'complained' and before ~= 'delivered' then call('HINCRBY', key, 'delivered|' .. site, 1) end
    call('HINCRBY', key, state .. '|' .. site, 1)
    if state ~= 'suppressed' then call('HSETNX', key, 'began', number(NOW)) end
  end
end
return 1
