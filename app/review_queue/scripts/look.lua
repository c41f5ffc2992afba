-- look: somebody was shown the package of a review; recorded once for each claim, and once a minute or so.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 person, 4 digest of what was shown, 5 shortest time between two records, ms
-- Result   {'ok', state}; also where nothing new was recorded
-- Cost     O(1)
local now, id, who, digest, apart = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local r = load(id)
if not r then return { 'unknown' } end
local key = base .. LOOKED .. id .. ':' .. who
local epoch = r.epoch or '0'
local last = redis.call('GET', key)
if last then
  local before, at = string.match(last, '^(%d+):(%d+)$')
  if before == epoch and tonumber(now) - tonumber(at) < tonumber(apart) then return { 'ok', flatten(r) } end
end
redis.call('SET', key, epoch .. ':' .. now, 'PX', apart)
step(id, r, {}, 'looked', who, now, cjson.encode({ digest = digest }))
return { 'ok', flatten(r) }
