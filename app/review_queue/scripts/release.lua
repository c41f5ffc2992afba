-- release: the holder gives a review back unanswered.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 person, 4 epoch, 5 detail (JSON)
-- Result   {'ok', state} or a refusal (recorded)
-- Cost     O(log n)
local now, id, who, epoch, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local r = load(id)
if not r then return { 'unknown' } end
local refusal = no_lease(r, who, epoch)
if refusal then return refuse(id, r, refusal, who, now, 'release') end
give_back(id, r)
step(id, r, unheld({}), 'released', who, now, detail)
enter(id, r)
return { 'ok', flatten(r) }
