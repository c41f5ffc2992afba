-- assign: reserves an open review for one person (app.domain.assignment). Any number of workers may try: the
-- first does, and a review is handed out once.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 person, 4 until, 5 most reserved for one person, 6 decision type, 7 detail (JSON)
-- Result   {'ok', state} or a refusal (not recorded: nobody was told anything)
-- Cost     O(log n)
local now, id, who = ARGV[1], ARGV[2], ARGV[3]
local r = load(id)
if not r then return { 'unknown' } end

local function why_not()
  if OVER[r.state] then return OVER[r.state] end
  if r.state == 'waiting' then return 'waiting' end
  if r.state == 'claimed' then return 'already_claimed' end
  if r.to then return 'offered' end
  if r.tier then return 'not_supervisor' end
  if r.given then return 'assigned_before' end
  if redis.call('ZCARD', base .. OFFER .. who) >= tonumber(ARGV[5]) then return 'reserved_enough' end
  if takes_part(r, who, id) then return 'not_distinct' end
  return nil
end

local refusal = why_not()
if refusal then return { refusal, flatten(r) } end
leave(id, r)
step(id, r, { to = who, reserved = ARGV[4], given = '1' }, 'assigned', 'assignment', now, ARGV[7])
enter(id, r)
redis.call('ZADD', base .. GIVEN .. ARGV[6], now, who)
return { 'ok', flatten(r) }
