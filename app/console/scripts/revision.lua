-- The revision of a pool: the last id of its outbox, which stays when what it named is gone.
-- KEYS[1] the outbox. Only the id leaves the server, none of the entries.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return '0-0'
end
local about = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #about, 2 do
  if about[i] == 'last-generated-id' then
    return about[i + 1]
  end
end
return '0-0'
