-- Messages that are due, for one sender: whoever takes one has it for a while.
-- KEYS[1] prefix of all delivery keys. ARGV: now (ms), at most, how long a sender may take (ms).
-- Returns {id, hook, event, body, since, tries} each.
local due = KEYS[1] .. DUE
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  local about = redis.call('HMGET', KEYS[1] .. DELIVERY .. id, 'hook', 'event', 'body', 'since', 'tries')
  if about[1] then
    redis.call('ZADD', due, tonumber(ARGV[1]) + tonumber(ARGV[3]), id)
    taken[#taken + 1] = {id, about[1], about[2], about[3], about[4], about[5]}
  else
    redis.call('ZREM', due, id)
  end
end
return taken
