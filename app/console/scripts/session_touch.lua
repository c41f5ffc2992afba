-- The session of an id, if it still runs; a sign of life unless told otherwise.
-- KEYS[1] prefix of all session keys. ARGV: hash of the id, now (ms), idle (ms), absolute (ms), 1 to renew.
-- Returns field, value, ...; nothing when there is none, or it is over.
local session = KEYS[1] .. SESSION .. ARGV[1]
local times = redis.call('HMGET', session, 'who', 'began', 'seen')
if not times[1] then
  return {}
end
local now, idle = tonumber(ARGV[2]), tonumber(ARGV[3])
local left = tonumber(times[2]) + tonumber(ARGV[4]) - now
-- The clock decides as well as the TTL: it is the one that everything else is measured with.
if left <= 0 or now - tonumber(times[3]) >= idle then
  redis.call('DEL', session)
  redis.call('SREM', KEYS[1] .. SESSIONS_OF .. times[1], ARGV[1])
  return {}
end
if ARGV[5] == '1' then
  redis.call('HSET', session, 'seen', ARGV[2])
  redis.call('PEXPIRE', session, math.min(idle, left))
  -- The list lives at least as long, also when the policy has given sessions more time meanwhile.
  redis.call('PEXPIRE', KEYS[1] .. SESSIONS_OF .. times[1], left, 'GT')
end
return redis.call('HGETALL', session)
