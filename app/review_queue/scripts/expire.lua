-- expire: takes back leases that have run out, at most some of them per call.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 at most
-- Result   {'ok', uuid, ...}
-- Cost     O(at most * log n)
local ids = reap(ARGV[1], ARGV[2])
table.insert(ids, 1, 'ok')
return ids
