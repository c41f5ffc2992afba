-- resume: the information is there (or no longer needed): back to the queue, with deadline and SLA steps later
-- by the working time of the pause. Calendars are not known here: the caller has looked at the review, says
-- which pause it saw, and when everything is due after it.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 person, 4 when the pause began, 5 urgency, 6 deadline or '', 7 ladder or '',
--          8 ms paused in all, 9 detail (JSON), 10 information or '', 11 epoch under which the question was
--          asked, or '': whichever is open
-- Result   {'ok', state} or a refusal; {'moved'} when the pause is another one by now. A repeat with an epoch
--          changes nothing.
-- Cost     O(log n)
local now, id, who, pausing, due, ladder, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6], ARGV[7], ARGV[9]
local information, epoch = ARGV[10], ARGV[11]
local r = load(id)
if not r then return { 'unknown' } end
local answered = r.state ~= 'waiting' or (r.epoch or '0') ~= epoch
if epoch ~= '' and answered and (r.info or '') == information and (r.informer or '') == who then
  return { 'ok', flatten(r) }
end
local over = OVER[r.state]
if over then return { over, flatten(r), over == 'already_decided' and redis.call('GET', base .. ANSWER .. id) or '' } end
if r.state ~= 'waiting' then return { 'not_waiting', flatten(r), '' } end
if epoch ~= '' and r.epoch ~= epoch then return { 'other_question', flatten(r), '' } end
if r.pausing ~= pausing then return { 'moved' } end
leave(id, r)
local changes = { state = 'open', pausing = false, paused = ARGV[8], urgency = ARGV[5] }
if information ~= '' then
  changes.info = information
  changes.informer = who
end
if due ~= '' then
  changes.due = due
  redis.call('ZADD', base .. DEADLINES, due, id)
end
if ladder ~= '' then changes.ladder = ladder end
step(id, r, changes, 'resumed', who, now, detail)
enter(id, r)
schedule(id, r)
return { 'ok', flatten(r) }
