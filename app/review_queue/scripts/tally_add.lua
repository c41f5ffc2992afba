-- tally_add: sums grow.
-- KEYS[1]  what all keys of the tallies begin with
-- ARGV     1 the hour's name, 2 its TTL in ms, 3 the day's name, 4 its TTL in ms, 5.. field, by how much
-- Result   1
-- Cost     O(fields)
for name = 1, 3, 2 do
  local key = KEYS[1] .. ARGV[name]
  for i = 5, #ARGV, 2 do redis.call('HINCRBYFLOAT', key, ARGV[i], ARGV[i + 1]) end
  redis.call('PEXPIRE', key, ARGV[name + 1])
end
return 1
