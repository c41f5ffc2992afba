-- enqueue: a review enters its pool, once.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 uuid, 2 ReviewRequested record, 3 urgency, 4 deadline or '', 5.. field, value of the state
-- Result   {'ok', arrival, record}; a repeat gives the arrival and the record of the first time, so
--          that a retried batch publishes exactly what reviewers see. record is '' the first time.
-- Cost     O(log n)
local id, record, urgency, deadline = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = base .. REVIEW .. id
local known = redis.call('HGET', key, 'arrival')
if known then return { 'ok', known, redis.call('GET', base .. REQUEST .. id) or '' } end
local arrival = integer(redis.call('INCR', base .. ARRIVALS))
if arrival == '1' then redis.call('SET', base .. LAYOUT, VERSION) end
redis.call('HSET', key, 'state', 'open', 'arrival', arrival, 'urgency', urgency, unpack(ARGV, 5))
redis.call('SET', base .. REQUEST .. id, record)
local r = { state = 'open', urgency = urgency, arrival = arrival }
for i = 5, #ARGV, 2 do r[ARGV[i]] = ARGV[i + 1] end
enter(id, r)
redis.call('ZADD', shelf(r, r.state), r.asked, id)
redis.call('SADD', base .. CLASSES, r.sla or '')
if deadline ~= '' then
  redis.call('ZADD', base .. DEADLINES, deadline, id)
  schedule(id, r)
end
return { 'ok', arrival, '' }
