-- rule_tally: counts what a record says about a standing rule, once however often it is processed.
-- KEYS[1]  what all keys of standing rules begin with
-- ARGV     1 rule id, 2 topic[partition] of the record, 3 its offset, 4 used, 5 checked, 6 overridden (0 or 1)
-- Result   {uses, checked, overridden}, with this record
-- Cost     O(1)
local key = base .. RULE .. ARGV[1]
local offset = tonumber(ARGV[3])
local last = redis.call('HGET', key, ARGV[2])
if not last or offset > tonumber(last) then
  redis.call('HSET', key, ARGV[2], ARGV[3])
  redis.call('HINCRBY', key, 'uses', ARGV[4])
  redis.call('HINCRBY', key, 'checked', ARGV[5])
  redis.call('HINCRBY', key, 'overridden', ARGV[6])
end
return redis.call('HMGET', key, 'uses', 'checked', 'overridden')
