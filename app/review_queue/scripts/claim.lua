-- claim: the most urgent review this person may have, or one that is named.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 person, 3 '1' for a supervisor, 4 lease in ms, 5 candidates to look at, 6 uuid or '',
--          7 '1' for somebody of a backup pool: sees only what was offered to backups,
--          8 most to take within an hour or 0, 9 within a day or 0, 10 break in ms (app.domain.fatigue),
--          11 score and 12 member after which to look, '' and '' for the head of the queues
-- Result   {'ok', state, ReviewRequested record, uuid}; {'none', score, member} when there is none for this
--          person among those looked at: where to look on, '' and '' at the end of the queues; a refusal with
--          the state when a named review can not be had; {'break_due', ms until it goes on} when this person
--          has taken enough for now
-- Cost     O(log n + candidates), looking on O(log^2 n + candidates); at the head also takes back up to two
--          leases that have run out
local now, who, supervisor, lease, look, wanted = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4], tonumber(ARGV[5]), ARGV[6]
local backup, score, place = ARGV[7] == '1', ARGV[11], ARGV[12]

local per_hour, per_day, rest = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local HOUR, DAY = 3600000, 86400000
local taken_key, most = base .. TAKEN .. who, math.max(per_hour, per_day)

-- When this person's n-th last review was taken.
local function taken_at(n)
  return tonumber(redis.call('ZRANGE', taken_key, -n, -n, 'WITHSCORES')[2])
end

-- How long, in ms, this person rests; 0: not at all. O(log n)
local function break_due()
  local wait = 0
  local count = most > 0 and redis.call('ZCARD', taken_key) or 0
  if per_hour > 0 and count >= per_hour then
    local first, last = taken_at(per_hour), taken_at(1)
    if last - first < HOUR then wait = math.max(first + HOUR, last + rest) - tonumber(now) end
  end
  if per_day > 0 and count >= per_day then wait = math.max(wait, taken_at(per_day) + DAY - tonumber(now)) end
  return math.max(0, wait)
end

local function count_taken(id)
  redis.call('ZADD', taken_key, now, id)
  redis.call('ZREMRANGEBYRANK', taken_key, 0, -most - 1)
  redis.call('PEXPIRE', taken_key, DAY)
end

local function take(id, r)
  leave(id, r)
  if most > 0 and r.holder ~= who then count_taken(id) end
  local ends = integer(tonumber(now) + tonumber(lease))
  local people = people_of(id, r)
  redis.call('HSET', people, who, id)
  redis.call('PERSIST', people)
  redis.call('ZADD', base .. LEASES, ends, id)
  local changes = { state = 'claimed', epoch = integer(tonumber(r.epoch or 0) + 1), holder = who,
                    since = now, lease = ends, to = false, reserved = false }
  step(id, r, changes, 'claimed', who, now)
  if default_is_due(r) then redis.call('ZREM', base .. CLOCK, id) end
  return { 'ok', flatten(r), redis.call('GET', base .. REQUEST .. id) or '', id }
end

local function why_not(id, r)
  if OVER[r.state] then return OVER[r.state] end
  if r.state == 'waiting' then return 'waiting' end
  if r.state == 'claimed' and r.holder ~= who then return 'already_claimed' end
  if r.tier and not supervisor then return 'not_supervisor' end
  if backup then
    if not r.backups then return 'not_offered' end
  elseif r.to and r.to ~= who and not supervisor then
    return 'offered'
  end
  if takes_part(r, who, id) then return 'not_distinct' end
  return nil
end

if wanted ~= '' then
  local r = load(wanted)
  if not r then return { 'unknown' } end
  if r.state == 'claimed' and tonumber(r.lease) <= tonumber(now) then lapse(wanted, r, now) end
  local refusal = why_not(wanted, r)
  if refusal then
    return { refusal, flatten(r), refusal == 'already_decided' and redis.call('GET', base .. ANSWER .. wanted) or '' }
  end
  local wait = r.holder ~= who and break_due() or 0
  if wait > 0 then return { 'break_due', integer(wait) } end
  return take(wanted, r)
end

local at_head = place == ''
if at_head then reap(now, 2) end
local wait = break_due()
if wait > 0 then return { 'break_due', integer(wait) } end
local queues = queues_for(who, supervisor, backup)

local function first(found, from)
  for i = from, math.min(look, #found) do
    local id = string.sub(found[i].member, -36)
    local r = load(id)
    if r and not takes_part(r, who, id) then return take(id, r) end
  end
  return nil
end

-- Nearly always the first of all fits; only otherwise is it worth looking at more.
local found = {}
if at_head then
  found = upcoming(queues, 1, score, place)
  local taken = first({ found[1] }, 1)
  if taken then return taken end
end
if #found > 0 or not at_head then
  found = upcoming(queues, look, score, place)
  local taken = first(found, at_head and 2 or 1)
  if taken then return taken end
end
local on = next_place(found, look)
return { 'none', on[1], on[2] }
