-- Messages to send, each in the queue of its receiver. KEYS[1] prefix of all delivery keys.
-- ARGV: now (ms), how many given-up ones are kept, then id, receiver, event, body, most that may wait, ...
-- One that waits already is left as it is. Where too many wait, the next one due is given up.
-- Returns how many were given up. O(log n) for each message.
local lost = 0
for i = 3, #ARGV, 5 do
  local id, receiver = ARGV[i], ARGV[i + 1]
  local key, due = KEYS[1] .. DELIVERY .. id, KEYS[1] .. DUE .. receiver
  if redis.call('EXISTS', key) == 0 then
    redis.call('HSET', key, 'hook', receiver, 'event', ARGV[i + 2], 'body', ARGV[i + 3],
      'since', ARGV[1], 'tries', 0)
    redis.call('ZADD', due, ARGV[1], id)
    redis.call('SADD', KEYS[1] .. RECEIVERS, receiver)
    if redis.call('ZCARD', due) > tonumber(ARGV[i + 4]) then
      local first = redis.call('ZPOPMIN', due)[1]
      local about = redis.call('HMGET', KEYS[1] .. DELIVERY .. first, 'event', 'body')
      redis.call('DEL', KEYS[1] .. DELIVERY .. first)
      redis.call('LPUSH', KEYS[1] .. DEAD, cjson.encode({ delivery_id = first, hook = receiver,
        event = about[1], why = 'too many messages wait', at = ARGV[1], body = about[2] }))
      redis.call('LTRIM', KEYS[1] .. DEAD, 0, tonumber(ARGV[2]) - 1)
      redis.call('HINCRBY', KEYS[1] .. RECEIVER .. receiver, 'given_up', 1)
      lost = lost + 1
    end
  end
end
return lost
