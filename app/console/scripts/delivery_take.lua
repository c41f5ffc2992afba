-- The message of one receiver that is due next, for one sender: whoever takes it has it for a while. None
-- while the receiver rests after a failure.
-- KEYS[1] prefix of all delivery keys. ARGV: now (ms), receiver, how long a sender may take (ms).
-- Returns {id, event, body, since, tries, failures of the receiver in a row}, or nothing. O(log n).
local due = KEYS[1] .. DUE .. ARGV[2]
local about = redis.call('HMGET', KEYS[1] .. RECEIVER .. ARGV[2], 'failures', 'rests_until')
if tonumber(about[2] or '0') > tonumber(ARGV[1]) then
  return {}
end
local id = redis.call('ZRANGEBYSCORE', due, '-inf', ARGV[1], 'LIMIT', 0, 1)[1]
if not id then
  return {}
end
redis.call('ZADD', due, tonumber(ARGV[1]) + tonumber(ARGV[3]), id)
local one = redis.call('HMGET', KEYS[1] .. DELIVERY .. id, 'event', 'body', 'since', 'tries')
return {id, one[1], one[2], one[3], one[4], about[1] or '0'}
