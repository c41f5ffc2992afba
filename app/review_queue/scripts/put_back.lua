-- put_back: a step that the relay put aside goes into the outbox again, once, whoever asks.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 entry of outbox:broken, 2 the review's request, or '', 3 ms for which a request is kept whose
--          review is gone
-- Result   1; 0 when it was not there any more; -1 when there is nothing in it
-- Cost     O(log n)
local entry, request, brief = ARGV[1], ARGV[2], ARGV[3]
local found = redis.call('XRANGE', base .. BROKEN, entry, entry)[1]
if not found then return 0 end
local fields, id, empty = {}, '', nil
for i = 1, #found[2], 2 do
  local name, value = found[2][i], found[2][i + 1]
  if name == '@id' then id = value end
  if name ~= '@entry' and name ~= '@why' then
    fields[#fields + 1] = name
    fields[#fields + 1] = value
    if name == '@request' and value == '' then empty = #fields end
  end
end
if #fields == 0 then return -1 end
local key = base .. REQUEST .. id
if request ~= '' and redis.call('EXISTS', key) == 0 then
  -- As long as its review: for good while that is undecided.
  local left = redis.call('PTTL', base .. REVIEW .. id)
  if left == -1 then redis.call('SET', key, request)
  else redis.call('SET', key, request, 'PX', left > 0 and left or brief) end
end
if empty then fields[empty] = redis.call('GET', key) or '' end
redis.call('XADD', base .. OUTBOX, '*', unpack(fields))
redis.call('XDEL', base .. BROKEN, entry)
return 1
