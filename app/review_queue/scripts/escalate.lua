-- escalate: hands a review to the pool's supervisors; it also ranks earlier.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 actor, 4 epoch (of the holder) or '' (an open review), 5 boost in ms,
--          6 detail (JSON)
-- Result   {'ok', state} or a refusal (recorded)
-- Cost     O(log n)
local now, id, who, epoch, boost, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local r = load(id)
if not r then return { 'unknown' } end
local refusal = not_handed(r, who, epoch)
if refusal then return refuse(id, r, refusal, who, now, 'escalate') end
give_back(id, r)
step(id, r, raised(r, unheld({}), boost), 'escalated', who, now, detail)
enter(id, r)
return { 'ok', flatten(r) }
