-- settle: answers that can not be taken back any more are final, the longest due first. Change and outbox entry
-- are one call, so that any number of clocks may run: each answer goes out once.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 at most so many, 3 memory in ms
-- Result   {'ok', uuid, ...}
-- Cost     O(at most * log n)
local now, memory = ARGV[1], ARGV[3]
local settled = redis.call('ZRANGEBYSCORE', base .. HELD, '-inf', now, 'LIMIT', 0, ARGV[2])
for _, id in ipairs(settled) do settle(id, load(id), now, memory) end
table.insert(settled, 1, 'ok')
return settled
