-- What became of a message. KEYS[1] prefix of all delivery keys.
-- ARGV: id, 'sent' | 'later' | 'dead', when next (ms) for 'later', the record to keep for 'dead', most.
local due, key = KEYS[1] .. DUE, KEYS[1] .. DELIVERY .. ARGV[1]
if redis.call('EXISTS', key) == 0 then
  return 0
end
if ARGV[2] == 'later' then
  redis.call('HINCRBY', key, 'tries', 1)
  redis.call('ZADD', due, ARGV[3], ARGV[1])
  return 1
end
redis.call('ZREM', due, ARGV[1])
redis.call('DEL', key)
if ARGV[2] == 'dead' then
  redis.call('LPUSH', KEYS[1] .. DEAD, ARGV[4])
  redis.call('LTRIM', KEYS[1] .. DEAD, 0, tonumber(ARGV[5]) - 1)
end
return 1
