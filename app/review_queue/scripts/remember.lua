-- remember: briefs of a batch of decisions, each in the history of its subject.
-- KEYS[1]  what all keys of the case file begin with
-- ARGV     1 how many decisions a history keeps, 2 memory in ms,
--          3 msgpack of [decision id, subject, time, ttl in ms, ...], 4.. their briefs
-- Result   how many. A repeat changes nothing.
-- Cost     O(decisions * log of the history's bounded length)
local keep, memory, batch = tonumber(ARGV[1]), ARGV[2], cmsgpack.unpack(ARGV[3])
for i = 1, #batch, 4 do
  local subject = base .. SUBJECT .. batch[i + 1]
  redis.call('SET', base .. CASE .. batch[i], ARGV[4 + (i - 1) / 4], 'PX', integer(batch[i + 3]))
  redis.call('ZADD', subject, integer(batch[i + 2]), batch[i])
  redis.call('ZREMRANGEBYRANK', subject, 0, -keep - 1)
  redis.call('PEXPIRE', subject, memory)
end
return #batch / 4
