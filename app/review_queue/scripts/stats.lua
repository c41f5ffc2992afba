-- stats: a pool at this moment.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now
-- Result   {open, of these for everybody, of these for supervisors, claimed, waiting, overdue, when the oldest
--          undecided one was requested or '', entries of the outbox, entries that the relay put aside, answers
--          that may still be taken back}
-- Cost     O(log n) for each SLA class
local open, oldest = 0, ''
for _, class in ipairs(redis.call('SRANDMEMBER', base .. CLASSES, MOST_CLASSES)) do
  for _, state in ipairs({ 'open', 'claimed', 'waiting' }) do
    local key = shelf({ sla = class }, state)
    if state == 'open' then open = open + redis.call('ZCARD', key) end
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
    if first and (oldest == '' or tonumber(first) < tonumber(oldest)) then oldest = first end
  end
end
local found = { open }
for _, name in ipairs({ READY, SUPERVISOR, LEASES, WAITING }) do found[#found + 1] = redis.call('ZCARD', base .. name) end
found[#found + 1] = redis.call('ZCOUNT', base .. DEADLINES, '-inf', '(' .. ARGV[1])
found[#found + 1] = oldest
found[#found + 1] = redis.call('XLEN', base .. OUTBOX)
found[#found + 1] = redis.call('XLEN', base .. BROKEN)
found[#found + 1] = redis.call('ZCARD', base .. HELD)
return found
