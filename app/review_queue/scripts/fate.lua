-- fate: what became of a batch of decisions; what people decided becomes a precedent of its type.
-- KEYS[1]  what all keys of the case file begin with
-- ARGV     1 how many precedents a type keeps, 2 memory in ms, 3 'resolution', 'observed' or 'withdrawn',
--          4 msgpack of [decision id, decision type or '', time, ttl in ms, ...], 5.. their values
-- Result   how many. A repeat changes nothing.
-- Cost     O(decisions * log of the bounded length)
local keep, memory, field, batch = tonumber(ARGV[1]), ARGV[2], ARGV[3], cmsgpack.unpack(ARGV[4])
for i = 1, #batch, 4 do
  local key = base .. FATE .. batch[i]
  redis.call('HSET', key, field, ARGV[5 + (i - 1) / 4])
  redis.call('PEXPIRE', key, integer(batch[i + 3]))
  if batch[i + 1] ~= '' then
    local precedents = base .. PRECEDENTS .. batch[i + 1]
    redis.call('ZADD', precedents, integer(batch[i + 2]), batch[i])
    redis.call('ZREMRANGEBYRANK', precedents, 0, -keep - 1)
    redis.call('PEXPIRE', precedents, memory)
  end
end
return #batch / 4
