-- resume: the information is there (or no longer needed): back to the queue, with the deadline later
-- by the length of the pause.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 person, 4 detail (JSON)
-- Result   {'ok', state} or a refusal
-- Cost     O(log n)
local now, id, who, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local r = load(id)
if not r then return { 'unknown' } end
if r.state == 'decided' then return { 'already_decided', flatten(r), redis.call('GET', base .. ANSWER .. id) or '' } end
if r.state ~= 'waiting' then return { 'not_waiting', flatten(r), '' } end
leave(id, r)
local pause = math.max(0, tonumber(now) - tonumber(r.pausing))
local changes = { state = 'open', pausing = false, question = false,
                  paused = integer(tonumber(r.paused or 0) + pause),
                  urgency = integer(tonumber(r.urgency) + pause) }
if r.due then
  changes.due = integer(tonumber(r.due) + pause)
  redis.call('ZADD', base .. DEADLINES, changes.due, id)
end
step(id, r, changes, 'resumed', who, now, detail)
enter(id, r)
return { 'ok', flatten(r) }
