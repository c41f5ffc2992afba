-- decide: checks lease, package and state; changes state, releases, and writes the outbox, at once.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 person, 4 epoch, 5 package digest, 6 answer id, 7 verdict (what answers
--          must have in common to agree), 8 answer (JSON), 9 memory in ms, 10 escalation boost in ms,
--          11 for how many ms the answer may be taken back; 0: not at all, as every vote
-- Result   {'ok', state, answer}: the answer that is final, at the latest at state.undo, or '' after a vote that
--          needs others.
--          The same answer again gives the same result. Otherwise a refusal (recorded), with the
--          first answer when there is one.
-- Cost     O(log n)
local now, id, who, epoch, digest = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local answer_id, verdict, answer, memory, boost = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local undo_window = tonumber(ARGV[11])
local r = load(id)
if not r then return { 'unknown' } end
local votes = r.votes and cjson.decode(r.votes) or {}
local repeated = r.answer == answer_id
for _, vote in ipairs(votes) do repeated = repeated or vote[3] == answer_id end
if repeated then return { 'ok', flatten(r), redis.call('GET', base .. ANSWER .. id) or '' } end

local refusal = no_lease(r, who, epoch)
if not refusal and r.digest ~= digest then refusal = 'package_changed' end
if refusal then return refuse(id, r, refusal, who, now, 'decide') end

local needed = tonumber(r.need or 1)
local people = people_of(id, r)
local changes = {}
if needed > 1 and not r.tie then
  local agree = true
  for _, vote in ipairs(votes) do agree = agree and vote[2] == verdict end
  votes[#votes + 1] = { who, verdict, answer_id }
  changes.votes = cjson.encode(votes)
  if not agree or #votes < needed then
    local since = r.since
    leave(id, r)
    redis.call('HSET', people, who, '=' .. id)
    unheld(changes)
    if not agree then
      changes.tie = '1'
      raised(r, changes, boost)
    end
    step(id, r, changes, agree and 'voted' or 'disagreed', who, now, answer, { '@since', since })
    enter(id, r)
    return { 'ok', flatten(r), '' }
  end
end

count_missed(id, r, now)
leave(id, r)
changes.state = 'decided'
changes.answer = answer_id
changes.decided = now
changes.lease = false
redis.call('HSET', people, who, '=' .. id)
redis.call('SET', base .. ANSWER .. id, answer)
if undo_window > 0 and needed == 1 then
  changes.undo = integer(tonumber(now) + undo_window)
  step(id, r, changes, 'answer_held', who, now, answer, { '@since', r.since })
  redis.call('ZADD', base .. HELD, changes.undo, id)
  shelve(id, now, memory)
else
  step(id, r, changes, 'decided', who, now, '', outcome(id, answer))
  close(id, r, now, memory)
end
return { 'ok', flatten(r), answer }
