-- recall: the newest cases of several bounded lists (subjects, or types), with what became of them.
-- KEYS[1]  what all keys of the case file begin with
-- ARGV     1 most cases of each list, 2 'subject:' or 'precedents:', 3.. names
-- Result   for each name a flat list: brief, resolution or false, observed or false, ...
-- Cost     O(names * cases)
local found = {}
for i = 3, #ARGV do
  local cases = {}
  for _, id in ipairs(redis.call('ZREVRANGE', base .. ARGV[2] .. ARGV[i], 0, ARGV[1] - 1)) do
    local brief = redis.call('GET', base .. CASE .. id)
    if brief then
      local fate = redis.call('HMGET', base .. FATE .. id, 'resolution', 'observed')
      cases[#cases + 1] = brief
      cases[#cases + 1] = fate[1]
      cases[#cases + 1] = fate[2]
    end
  end
  found[i - 2] = cases
end
return found
