-- Messages to send. KEYS[1] prefix of all delivery keys. ARGV: now (ms), then id, hook, event, body, ...
-- One that waits already is left as it is.
for i = 2, #ARGV, 4 do
  local key = KEYS[1] .. DELIVERY .. ARGV[i]
  if redis.call('EXISTS', key) == 0 then
    redis.call('HSET', key, 'hook', ARGV[i + 1], 'event', ARGV[i + 2], 'body', ARGV[i + 3],
      'since', ARGV[1], 'tries', 0)
    redis.call('ZADD', KEYS[1] .. DUE, ARGV[1], ARGV[i])
  end
end
return 1
