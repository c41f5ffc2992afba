-- unassign: reviews whose person has not taken them in time go back to everybody, at most some of them per call.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 at most
-- Result   {'ok', uuid, ...}
-- Cost     O(at most * log n)
local now = ARGV[1]
local ids = redis.call('ZRANGEBYSCORE', base .. RESERVED, '-inf', now, 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  local r = load(id)
  if r and r.state == 'open' and r.reserved then
    leave(id, r)
    local detail = cjson.encode({ from = r.to })
    step(id, r, { to = false, reserved = false }, 'unassigned', 'assignment', now, detail)
    enter(id, r)
  else
    redis.call('ZREM', base .. RESERVED, id)
  end
end
table.insert(ids, 1, 'ok')
return ids
