-- Take a token from a bucket. KEYS[1] the bucket. ARGV: now (ms), burst, ms per token, tokens to take
-- (a negative number gives back).
-- Returns 0 when there was one, else the ms until there will be.
local now, burst, every, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kept = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = tonumber(kept[1]) or burst
local at = tonumber(kept[2]) or now
level = math.min(burst, level + math.max(0, now - at) / every)
if level < wanted then
  return math.ceil((wanted - level) * every)
end
level = math.min(burst, level - wanted)
if level >= burst then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'level', tostring(level), 'at', tostring(math.max(at, now)))
  redis.call('PEXPIRE', KEYS[1], math.ceil((burst - level) * every) + 1000)
end
return 0
