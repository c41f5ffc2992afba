-- reveal: keeps the blind first answer; from here on the recommendation may be shown.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 person, 4 epoch, 5 first action
-- Result   {'ok', state} or a refusal (recorded). A person's first answer stands: a second reveal
--          changes nothing.
-- Cost     O(1)
local now, id, who, epoch, action = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local r = load(id)
if not r then return { 'unknown' } end
local refusal = no_lease(r, who, epoch)
if not refusal and not r.blind then refusal = 'not_blind' end
if refusal then return refuse(id, r, refusal, who, now, 'reveal') end
local field = 'first:' .. who
if not r[field] then
  step(id, r, { [field] = action }, 'revealed', who, now, cjson.encode({ first_action = action }))
end
return { 'ok', flatten(r) }
