-- What verbs have in common. Not a script of its own: what a verb uses of the key names of keys.py and of this
-- file goes before the verb (store.py). Every top-level line is a comment or begins, or ends, a local.
--
-- KEYS[1] of every verb is what all keys of the pool begin with. The other keys are derived from it:
-- a claim does not know its review before it has looked, and all keys of a pool share a hash tag.
--
-- Open reviews wait in sorted sets. Score: `urgency`, the deadline in ms less the boost of the
-- consequence class, an integer below 2^41 and so exact in a double (2^53). Equal scores are ordered
-- by member: <class 0-3>.<requested at, 13 digits>.<arrival, 10 digits>.<uuid>, that is consequence,
-- then age, then arrival. Nothing ever needs to be re-ranked as time passes.
--
-- A verb answers {'ok', ...} or {<refusal>, ...}; refusals are app.domain.review.Refusal.

local base = KEYS[1]
local OVER = { decided = 'already_decided', withdrawn = 'withdrawn', defaulted = 'defaulted' }
local RANK = { critical = '0', high = '1', medium = '2', low = '3' }

local function integer(n)
  return string.format('%.0f', n)
end

-- The state of a review, every value a string; nil when unknown. O(1): about twenty short fields.
local function load(id)
  local flat = redis.call('HGETALL', base .. REVIEW .. id)
  if #flat == 0 then return nil end
  local r = {}
  for i = 1, #flat, 2 do r[flat[i]] = flat[i + 1] end
  return r
end

local function flatten(r)
  local flat = {}
  for name, value in pairs(r) do
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  return flat
end

local function member(id, r)
  return string.format('%s.%013.0f.%010.0f.%s', RANK[r.class] or '3', r.asked, r.arrival, id)
end

local function queue_of(r)
  if r.to then return base .. OFFER .. r.to end
  if r.tier then return base .. SUPERVISOR end
  return base .. READY
end

-- Whether only a person's lease keeps the deadline rule from taking the safe default.
local function default_is_due(r)
  return r.rung == '5' and r.rule == 'safe_default'
end

-- Puts an open review where people look for it. O(log n)
local function enter(id, r)
  local place = member(id, r)
  redis.call('ZADD', queue_of(r), r.urgency, place)
  if r.reserved then redis.call('ZADD', base .. RESERVED, r.reserved, id) end
  if r.backups and not r.tier then redis.call('ZADD', base .. BACKUPS, r.urgency, place) end
  if default_is_due(r) then redis.call('ZADD', base .. CLOCK, r.due, id) end
end

-- Takes a review out of wherever its state has put it. O(log n)
local function leave(id, r)
  if r.state == 'open' then
    redis.call('ZREM', queue_of(r), member(id, r))
    if r.reserved then redis.call('ZREM', base .. RESERVED, id) end
    if r.backups and not r.tier then redis.call('ZREM', base .. BACKUPS, member(id, r)) end
  elseif r.state == 'claimed' then redis.call('ZREM', base .. LEASES, id)
  elseif r.state == 'waiting' then redis.call('ZREM', base .. WAITING, id) end
end

local function shelf(r, state)
  return base .. UNDECIDED .. (r.sla or '') .. ':' .. state
end

-- Moves an undecided review to where its class and state are counted. O(log n)
local function recount(id, r, before)
  if before == r.state then return end
  if not OVER[before] then redis.call('ZREM', shelf(r, before), id) end
  if not OVER[r.state] then redis.call('ZADD', shelf(r, r.state), r.asked, id) end
end

-- One step: changes fields (false deletes), counts it, and writes it with the whole state after it
-- to the outbox, in the same call. `extra` are further fields of the entry. O(log n) where the state changes
local function step(id, r, changes, event, actor, now, detail, extra)
  changes.step = integer(tonumber(r.step or 0) + 1)
  local before = r.state
  local set, gone = {}, {}
  for name, value in pairs(changes) do
    if value == false then
      if r[name] then gone[#gone + 1] = name end
      r[name] = nil
    else
      set[#set + 1] = name
      set[#set + 1] = value
      r[name] = value
    end
  end
  recount(id, r, before)
  local key = base .. REVIEW .. id
  redis.call('HSET', key, unpack(set))
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  local entry = flatten(r)
  local meta = { '@id', id, '@event', event, '@actor', actor, '@at', now, '@detail', detail or '' }
  for _, field in ipairs(meta) do entry[#entry + 1] = field end
  for _, field in ipairs(extra or {}) do entry[#entry + 1] = field end
  redis.call('XADD', base .. OUTBOX, '*', unpack(entry))
end

-- The next step of the SLA ladder (app.domain.sla.Rung) and when it is due; nil while there is none. A
-- safe default waits while a person holds the review.
local function next_rung(r)
  if not r.due or (r.state ~= 'open' and r.state ~= 'claimed') then return nil end
  local rung = tonumber(r.rung or 0)
  if rung < 4 then
    local i = 0
    for at in string.gmatch(r.ladder or '', '%d+') do
      if i >= rung and at ~= '0' then return i, at end
      i = i + 1
    end
    return 4, r.due
  end
  if rung > 5 or (default_is_due(r) and r.state == 'claimed') then return nil end
  return rung, r.due
end

-- Sets the SLA clock of a review. O(log n)
local function schedule(id, r)
  local rung, at = next_rung(r)
  if rung then redis.call('ZADD', base .. CLOCK, at, id) else redis.call('ZREM', base .. CLOCK, id) end
end

-- A deadline that has passed is counted once, also where the SLA clock would come too late for it.
local function count_missed(id, r, now)
  if r.due and tonumber(now) >= tonumber(r.due) and tonumber(r.rung or 0) < 5 then
    step(id, r, { rung = '5' }, 'sla_missed', 'sla', now, cjson.encode({ due = tonumber(r.due) }))
  end
end

-- No queue and no clock holds a review any more. Old ones leave the index, a few each time. O(log n)
local function shelve(id, now, memory)
  redis.call('ZREM', base .. DEADLINES, id)
  redis.call('ZREM', base .. CLOCK, id)
  redis.call('ZADD', base .. DECIDED, now, id)
  local since = integer(tonumber(now) - tonumber(memory))
  local old = redis.call('ZRANGEBYSCORE', base .. DECIDED, '-inf', '(' .. since, 'LIMIT', 0, 4)
  if #old > 0 then redis.call('ZREM', base .. DECIDED, unpack(old)) end
end

-- Who takes part in a decision is noted under it. An item with known truth looks like a decision, and its id may
-- one day be that of a real one: it is noted under itself (keys.py, PEOPLE).
local function people_of(id, r)
  return base .. PEOPLE .. (r.kind == 'gold' and id or r.decision)
end

-- A review is over for good: it is remembered for `memory` ms. O(1)
local function remember(id, r, memory)
  redis.call('PEXPIRE', base .. REVIEW .. id, memory)
  redis.call('PEXPIRE', base .. REQUEST .. id, memory)
  redis.call('PEXPIRE', base .. ANSWER .. id, memory)
  redis.call('PEXPIRE', people_of(id, r), memory)
end

local function close(id, r, now, memory)
  shelve(id, now, memory)
  remember(id, r, memory)
end

-- What the entry of an answer that is final carries, so that it does not depend on what expires.
local function outcome(id, answer)
  return { '@answer', answer, '@request', redis.call('GET', base .. REQUEST .. id) or '' }
end

-- An answer that was held is final (app.domain.undo). O(log n)
local function settle(id, r, now, memory)
  local answer = redis.call('GET', base .. ANSWER .. id) or ''
  redis.call('ZREM', base .. HELD, id)
  step(id, r, { undo = false }, 'decided', r.holder, now, '', outcome(id, answer))
  remember(id, r, memory)
end

-- Who takes part in a decision. `id` = holds this review, '=' .. id = has answered it.
local function takes_part(r, who, id)
  local part = redis.call('HGET', people_of(id, r), who)
  return part and part ~= id
end

local function forget(r, who, id)
  local key = people_of(id, r)
  if who and redis.call('HGET', key, who) == id then redis.call('HDEL', key, who) end
end

local function unheld(changes)
  changes.state = 'open'
  changes.holder = false
  changes.since = false
  changes.lease = false
  return changes
end

-- A claimed review goes back: the lease ends, the person is free for the decision's other reviews.
local function give_back(id, r)
  leave(id, r)
  if r.state == 'claimed' then forget(r, r.holder, id) end
end

local function raised(r, changes, boost)
  changes.tier = integer(tonumber(r.tier or 0) + 1)
  changes.urgency = integer(tonumber(r.urgency) - tonumber(boost))
  changes.to = false
  changes.reserved = false
  return changes
end

local function lapse(id, r, now)
  give_back(id, r)
  local changes = unheld({ lapses = integer(tonumber(r.lapses or 0) + 1) })
  step(id, r, changes, 'lease_expired', r.holder, now)
  enter(id, r)
end

-- Takes back at most `limit` leases that have run out; a crowd of them must not block the store.
-- O(limit * log n)
local function reap(now, limit)
  local ids = redis.call('ZRANGEBYSCORE', base .. LEASES, '-inf', now, 'LIMIT', 0, limit)
  for _, id in ipairs(ids) do
    local r = load(id)
    if r then lapse(id, r, now) else redis.call('ZREM', base .. LEASES, id) end
  end
  return ids
end

-- Where a person finds work: what was offered to them, what is open to the whole pool, what was escalated. Who
-- helps out from a backup pool sees what was offered to backups, and nothing else.
local function queues_for(who, supervisor, backup)
  if backup then return { base .. BACKUPS } end
  local queues = { base .. OFFER .. who, base .. READY }
  if supervisor then queues[3] = base .. SUPERVISOR end
  return queues
end

-- How many entries of a queue come up to and with a place in its order, whether or not it is (still) taken.
-- Among equal scores the place is halved for. O(log^2 n)
local function rank_after(queue, score, place)
  local low = redis.call('ZCOUNT', queue, '-inf', '(' .. score)
  local high = redis.call('ZCOUNT', queue, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZRANGE', queue, middle, middle)[1] > place then high = middle else low = middle + 1 end
  end
  return low
end

-- The next entries of several queues in one order: of each at most `limit`, from the head or, where `place` is
-- not '', after that place. A place and no rank: others come and go between two pages. O(limit)
local function upcoming(queues, limit, score, place)
  local found = {}
  for _, queue in ipairs(queues) do
    local from = place == '' and 0 or rank_after(queue, score, place)
    local flat = redis.call('ZRANGE', queue, from, from + limit - 1, 'WITHSCORES')
    for i = 1, #flat, 2 do found[#found + 1] = { member = flat[i], score = tonumber(flat[i + 1]) } end
  end
  table.sort(found, function(a, b)
    if a.score ~= b.score then return a.score < b.score end
    return a.member < b.member
  end)
  return found
end

-- Score and member after which a page of `limit` goes on; '' and '' when nothing comes after it.
local function next_place(found, limit)
  local last = found[limit]
  return last and { integer(last.score), last.member } or { '', '' }
end

-- A refusal that is also recorded: a stale answer is worth knowing about.
local function refuse(id, r, reason, who, now, verb)
  local detail = cjson.encode({ verb = verb, reason = reason })
  step(id, r, {}, 'refused', who, now, detail)
  local answer = reason == 'already_decided' and redis.call('GET', base .. ANSWER .. id) or ''
  return { reason, flatten(r), answer or '' }
end

-- Why this person may not write under this epoch, if so. The one check of a lease.
local function no_lease(r, who, epoch)
  if OVER[r.state] then return OVER[r.state] end
  if r.state ~= 'claimed' or r.holder ~= who or (r.epoch or '0') ~= epoch then return 'stale_lease' end
  return nil
end

-- Why this person may not hand a review on, if so; without an epoch only an open one.
local function not_handed(r, who, epoch)
  if OVER[r.state] then return OVER[r.state] end
  if r.state == 'waiting' then return 'waiting' end
  if epoch ~= '' then return no_lease(r, who, epoch) end
  return r.state == 'claimed' and 'already_claimed' or nil
end
