-- sla: takes the steps of the SLA ladder that are due (app.domain.sla), the longest due first. Each is a change
-- of state and an outbox entry in one call, so that any number of clocks may run: a step is taken once.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 at most so many steps, 3 raise boost in ms, 4 escalation boost in ms, 5 memory in ms
-- Result   {'ok', uuid, event, ...}; what has more than one step due takes the next one in the next call
-- Cost     O(at most * log n)
local now, raise_boost, boost, memory = ARGV[1], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local EVENTS = { [0] = 'sla_at_risk', 'sla_raised', 'offered_to_backups', 'sla_escalated', 'sla_missed', 'deadline_rule' }
local taken = { 'ok' }

local function take(id, r, rung, at)
  local changes = { rung = integer(rung + 1) }
  local rule = rung == 5 and (r.rule or 'hold') or nil
  local default = rule == 'safe_default' and r.class == 'low'
  local moves = r.state == 'open' and rung ~= 0 and rung ~= 4
  local extra = nil
  if moves then leave(id, r) end
  if rung == 1 then changes.urgency = integer(tonumber(r.urgency) - raise_boost) end
  if rung == 2 then changes.backups = '1' end
  if rung == 3 or rule == 'escalate' then raised(r, changes, boost) end
  if default then
    changes.state = 'defaulted'
    changes.decided = now
    extra = { '@default', '1', '@request', redis.call('GET', base .. REQUEST .. id) or '' }
  end
  local detail = { due = tonumber(at), rule = rule, action = default and r.default or nil }
  step(id, r, changes, EVENTS[rung], 'sla', now, cjson.encode(detail), extra)
  if default then return close(id, r, now, memory) end
  if moves then enter(id, r) end
  schedule(id, r)
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', base .. CLOCK, '-inf', now, 'LIMIT', 0, ARGV[2])) do
  local r = load(id)
  local rung, at
  if r then rung, at = next_rung(r) end
  if rung and tonumber(at) <= tonumber(now) then
    take(id, r, rung, at)
    taken[#taken + 1] = id
    taken[#taken + 1] = EVENTS[rung]
  elseif rung then
    schedule(id, r)
  else
    redis.call('ZREM', base .. CLOCK, id)
  end
end
return taken
