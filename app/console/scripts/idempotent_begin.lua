-- Begin a request under an idempotency key. KEYS[1] the key. ARGV: fingerprint, ms that it may take.
-- Returns {'new'}, {'other'} (another request has this key), {'busy'} (the same one is being worked on)
-- or {'done', status, content type, body}.
local kept = redis.call('HMGET', KEYS[1], 'fingerprint', 'status', 'type', 'body')
if not kept[1] then
  redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {'new'}
end
if kept[1] ~= ARGV[1] then
  return {'other'}
end
if not kept[2] then
  return {'busy'}
end
return {'done', kept[2], kept[3], kept[4]}
