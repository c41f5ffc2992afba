-- The revision of a pool: how many reviews came, and the last id of its outbox, which stays when what it
-- named is gone. KEYS[1] what the pool's keys begin with. No review leaves the server.
local came = redis.call('GET', KEYS[1] .. ARRIVALS) or '0'
local outbox = KEYS[1] .. OUTBOX
if redis.call('EXISTS', outbox) == 0 then
  return came .. '.0-0'
end
local about = redis.call('XINFO', 'STREAM', outbox)
for i = 1, #about, 2 do
  if about[i] == 'last-generated-id' then
    return came .. '.' .. about[i + 1]
  end
end
return came .. '.0-0'
