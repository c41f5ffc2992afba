-- cancel: nobody needs the answer any more; whoever holds the review loses it. What is answered stays
-- answered: an answer that could still be taken back is settled, so that nothing brings the review back.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 now, 2 uuid, 3 actor, 4 memory in ms, 5 detail (JSON)
-- Result   {'ok', state} or a refusal. A repeat changes nothing.
-- Cost     O(log n)
local now, id, who, memory, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local r = load(id)
if not r then return { 'unknown' } end
if r.state == 'withdrawn' then return { 'ok', flatten(r) } end
if r.undo then settle(id, r, now, memory) end
local over = OVER[r.state]
if over then return { over, flatten(r), over == 'already_decided' and redis.call('GET', base .. ANSWER .. id) or '' } end
if r.state ~= 'waiting' then count_missed(id, r, now) end
give_back(id, r)
local changes = unheld({ decided = now, pausing = false, question = false })
changes.state = 'withdrawn'
step(id, r, changes, 'withdrawn', who, now, detail)
close(id, r, now, memory)
return { 'ok', flatten(r) }
