-- Note who hands in a decision, once for each id. KEYS[1] the key. ARGV: owner, digest of the content, the
-- submission as JSON, ms that it is kept. Returns 'new', 'again' (the same, and nobody knows whether it got
-- into the log), 'stored' (the same, and it did) or 'other' (another decision, or somebody else's). O(1).
local kept = redis.call('HMGET', KEYS[1], 'owner', 'digest', 'stored')
if not kept[1] then
  redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'digest', ARGV[2], 'submission', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return 'new'
end
if kept[1] ~= ARGV[1] or kept[2] ~= ARGV[2] then
  return 'other'
end
return kept[3] and 'stored' or 'again'
