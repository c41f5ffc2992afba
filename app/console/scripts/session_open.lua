-- A new session, listed with the others of its person.
-- KEYS[1] prefix of all session keys. ARGV: hash of the id, person, now (ms), idle (ms), absolute (ms),
-- then field, value, ... of the session.
local session = KEYS[1] .. SESSION .. ARGV[1]
local list = KEYS[1] .. SESSIONS_OF .. ARGV[2]
local idle, absolute = tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('HSET', session, 'who', ARGV[2], 'began', ARGV[3], 'seen', ARGV[3], unpack(ARGV, 6))
redis.call('PEXPIRE', session, math.min(idle, absolute))
-- What has ended by itself leaves the list when somebody signs in: a handful of members each.
for _, other in ipairs(redis.call('SMEMBERS', list)) do
  if redis.call('EXISTS', KEYS[1] .. SESSION .. other) == 0 then
    redis.call('SREM', list, other)
  end
end
redis.call('SADD', list, ARGV[1])
redis.call('PEXPIRE', list, absolute)
return 1
