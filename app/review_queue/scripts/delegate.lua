-- delegate: offers a review to one person, who alone (or a supervisor) may then claim it.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 actor, 4 epoch (of the holder) or '' (an open review), 5 '1' if the actor is a
--          supervisor, 6 person, 7 '1' if that person is a supervisor, 8 most delegations, 9 detail (JSON)
-- Result   {'ok', state} or a refusal (recorded)
-- Cost     O(log n)
local now, id, who, epoch, to, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6], ARGV[9]
local r = load(id)
if not r then return { 'unknown' } end
local times = tonumber(r.handed or 0)
local refusal = not_handed(r, who, epoch)
if not refusal and r.to and r.to ~= who and ARGV[5] ~= '1' then refusal = 'offered' end
if not refusal and r.tier and ARGV[7] ~= '1' then refusal = 'not_supervisor' end
if not refusal and times >= tonumber(ARGV[8]) then refusal = 'delegated_enough' end
if not refusal and takes_part(r, to, id) then refusal = 'not_distinct' end
if refusal then return refuse(id, r, refusal, who, now, 'delegate') end
give_back(id, r)
step(id, r, unheld({ to = to, reserved = false, handed = integer(times + 1) }), 'delegated', who, now, detail)
enter(id, r)
return { 'ok', flatten(r) }
