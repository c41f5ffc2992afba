-- End one session, or all of a person's. KEYS[1] prefix of all session keys.
-- ARGV: hash of the id or '', person or ''. Returns how many ended.
local function finish(hash)
  local session = KEYS[1] .. SESSION .. hash
  local who = redis.call('HGET', session, 'who')
  if who then
    redis.call('SREM', KEYS[1] .. SESSIONS_OF .. who, hash)
  end
  return redis.call('DEL', session)
end
if ARGV[1] ~= '' then
  return finish(ARGV[1])
end
local ended = 0
local list = KEYS[1] .. SESSIONS_OF .. ARGV[2]
for _, hash in ipairs(redis.call('SMEMBERS', list)) do
  ended = ended + finish(hash)
end
redis.call('DEL', list)
return ended
