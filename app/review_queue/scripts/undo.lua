-- undo: whoever answered takes the answer back before it is final: the review is in the same hands again.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 person, 4 epoch of the answer, 5 lease in ms
-- Result   {'ok', state, the answer that was taken back} or a refusal (recorded)
-- Cost     O(log n)
local now, id, who, epoch, lease = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local r = load(id)
if not r then return { 'unknown' } end
local refusal = nil
if r.state ~= 'decided' then refusal = OVER[r.state] or 'not_answered'
elseif r.holder ~= who then refusal = 'already_decided'
elseif r.epoch ~= epoch then refusal = 'stale_lease'
elseif tonumber(now) >= tonumber(r.undo or 0) then refusal = 'undo_over' end
if refusal then return refuse(id, r, refusal, who, now, 'undo') end

redis.call('ZREM', base .. HELD, id)
redis.call('ZREM', base .. DECIDED, id)
local ends = integer(tonumber(now) + tonumber(lease))
local people = people_of(id, r)
redis.call('HSET', people, who, id)
redis.call('PERSIST', people)
redis.call('ZADD', base .. LEASES, ends, id)
if r.due then redis.call('ZADD', base .. DEADLINES, r.due, id) end
local changes = { state = 'claimed', epoch = integer(tonumber(r.epoch) + 1), lease = ends, answer = false,
                  decided = false, undo = false }
step(id, r, changes, 'answer_undone', who, now, cjson.encode({ answer_id = r.answer }))
schedule(id, r)
return { 'ok', flatten(r), redis.call('GET', base .. ANSWER .. id) or '' }
