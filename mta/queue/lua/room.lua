#!lua flags=no-writes
-- Tell how many more messages each path's lanes may hold.
-- A = { paths, seconds, most, interval }  the window: what a path sends in `seconds`, at most `most`
-- Returns a number per path; 0 for a closed site and for one that is paused for longer than the window.
local gates = call('EXISTS', P .. 'gates') == 1
local limits = call('EXISTS', P .. 'limits') == 1
local out = {}
for i, path in ipairs(A[1]) do
  local site = string.match(path, '|(.*)$')
  local state = call('HMGET', P .. 'path:' .. path, 'n', 'pause', 'stop')
  local room = A[3]
  local interval = A[4]
  if limits then
    for _, row in ipairs(call('HMGET', P .. 'limits', site, '!' .. site)) do
      local own, till = string.match(row or '', '^(%S+) %S+ %S+ ?(%S*)')
      if own and tonumber(own) >= 0 and (till == '' or tonumber(till) > NOW) then interval = tonumber(own) end
    end
  end
  if interval > 0 then room = math.min(room, math.max(64, A[2] * 1000 / interval)) end
  if gates and call('HEXISTS', P .. 'gates', 's|' .. site) == 1 then room = 0 end
  if math.max(tonumber(state[2] or 0), tonumber(state[3] or 0)) > NOW + A[2] * 1000 then room = 0 end
  out[i] = math.max(0, math.floor(room - tonumber(state[1] or 0)))
end
return out
