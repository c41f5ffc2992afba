-- candidates: a page of the open reviews that a person might claim, the most urgent first. Nothing changes.
-- KEYS[1]  what all keys of the pool begin with
-- ARGV     1 person, 2 '1' for a supervisor, 3 '1' for somebody of a backup pool, 4 reviews to look at,
--          5 score and 6 member after which the page begins, '' and '' for the head of the queues
-- Result   {score, member, uuid, state, uuid, state, ...}: where the next page begins ('' and '' when there is
--          none), and the reviews but those in whose decision the person takes part already
-- Cost     O(log n + reviews looked at), after the first page O(log^2 n + reviews looked at)
local who, supervisor, backup, look = ARGV[1], ARGV[2] == '1', ARGV[3] == '1', tonumber(ARGV[4])

local found = upcoming(queues_for(who, supervisor, backup), look, ARGV[5], ARGV[6])
local page = next_place(found, look)
for i = 1, math.min(look, #found) do
  local id = string.sub(found[i].member, -36)
  local r = load(id)
  if r and not takes_part(r, who, id) then
    page[#page + 1] = id
    page[#page + 1] = flatten(r)
  end
end
return page
