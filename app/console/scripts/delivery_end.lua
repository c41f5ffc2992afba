-- What became of a message. KEYS[1] prefix of all delivery keys.
-- ARGV: id, receiver, now (ms), 'sent' | 'later' | 'dead', when next (ms) for 'later', until when the receiver
-- rests (ms; 0: it does not), why, the record to keep for 'dead', most of these. Returns 1. O(log n).
local due, key = KEYS[1] .. DUE .. ARGV[2], KEYS[1] .. DELIVERY .. ARGV[1]
local receiver = KEYS[1] .. RECEIVER .. ARGV[2]
if ARGV[4] == 'sent' then
  redis.call('HSET', receiver, 'failures', 0, 'rests_until', 0, 'arrived_at', ARGV[3], 'why', '')
  redis.call('HINCRBY', receiver, 'arrived', 1)
else
  redis.call('HINCRBY', receiver, 'failures', 1)
  redis.call('HSET', receiver, 'rests_until', ARGV[6], 'why', ARGV[7])
end
if redis.call('EXISTS', key) == 0 then
  return 0
end
if ARGV[4] == 'later' then
  redis.call('HINCRBY', key, 'tries', 1)
  redis.call('ZADD', due, ARGV[5], ARGV[1])
  return 1
end
redis.call('ZREM', due, ARGV[1])
redis.call('DEL', key)
if ARGV[4] == 'dead' then
  redis.call('HINCRBY', receiver, 'given_up', 1)
  redis.call('LPUSH', KEYS[1] .. DEAD, ARGV[8])
  redis.call('LTRIM', KEYS[1] .. DEAD, 0, tonumber(ARGV[9]) - 1)
end
return 1
