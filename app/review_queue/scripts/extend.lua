-- extend: a heartbeat; the lease lasts from now again and never gets shorter.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 person, 4 epoch, 5 lease in ms
-- Result   {'ok', state} or a refusal (recorded)
-- Cost     O(log n)
local now, id, who, epoch, lease = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local r = load(id)
if not r then return { 'unknown' } end
local refusal = no_lease(r, who, epoch)
if refusal then return refuse(id, r, refusal, who, now, 'extend') end
local ends = integer(math.max(tonumber(r.lease), tonumber(now) + tonumber(lease)))
redis.call('ZADD', base .. LEASES, ends, id)
step(id, r, { lease = ends }, 'extended', who, now)
return { 'ok', flatten(r) }
