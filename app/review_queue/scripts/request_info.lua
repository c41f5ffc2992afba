-- request_info: the holder asks for information; the lease ends and the SLA clock stands still. At most so
-- many times for each review.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 person, 4 epoch, 5 question, 6 most questions, 7 detail (JSON)
-- Result   {'ok', state} or a refusal (recorded)
-- Cost     O(log n)
local now, id, who, epoch, question, most, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local r = load(id)
if not r then return { 'unknown' } end
local asked = tonumber(r.questions or 0)
local refusal = no_lease(r, who, epoch) or (asked >= tonumber(most) and 'asked_enough')
if refusal then return refuse(id, r, refusal, who, now, 'request_info') end
count_missed(id, r, now)
give_back(id, r)
local changes = unheld({ pausing = now, question = question, info = false, informer = false })
changes.state = 'waiting'
changes.questions = integer(asked + 1)
step(id, r, changes, 'paused', who, now, detail)
redis.call('ZADD', base .. WAITING, now, id)
redis.call('ZREM', base .. DEADLINES, id)
redis.call('ZREM', base .. CLOCK, id)
return { 'ok', flatten(r) }
