-- read_lease: who reads what all workers share. One at a time: whoever has the lease keeps it by asking again.
-- KEYS[1]  the lease
-- ARGV     1 who asks, 2 for how many ms
-- Result   1 when it is theirs, else 0
-- Cost     O(1)
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
