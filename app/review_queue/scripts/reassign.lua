-- reassign: a supervisor gives a review to one person, also one that somebody holds: the lease ends, and its
-- holder can not write any more.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 actor, 4 '1' if the actor is a supervisor, 5 person, 6 '1' if that person is one,
--          7 detail (JSON)
-- Result   {'ok', state} or a refusal (recorded)
-- Cost     O(log n)
local now, id, who, to, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[5], ARGV[7]
local r = load(id)
if not r then return { 'unknown' } end
local refusal = OVER[r.state] or (r.state == 'waiting' and 'waiting') or nil
if not refusal and (ARGV[4] ~= '1' or (r.tier and ARGV[6] ~= '1')) then refusal = 'not_supervisor' end
if not refusal and takes_part(r, to, id) then refusal = 'not_distinct' end
if refusal then return refuse(id, r, refusal, who, now, 'reassign') end
give_back(id, r)
step(id, r, unheld({ to = to, reserved = false }), 'reassigned', who, now, detail)
enter(id, r)
return { 'ok', flatten(r) }
