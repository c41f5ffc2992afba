-- seen: which decisions of a batch were met before, and where.
-- KEYS[1]  what all keys of seen decisions begin with
-- ARGV     1 window in ms, 2 msgpack of [id, position, id, position, ...]
-- Result   [index from 0, first position, ...] of the repeats only; the same position again is none
-- Cost     O(ids), each O(1). Needs 7.0 (SET NX GET).
local batch = cmsgpack.unpack(ARGV[2])
local repeats = {}
for i = 1, #batch, 2 do
  local position = batch[i + 1]
  local first = redis.call('SET', base .. batch[i], position, 'NX', 'GET', 'PX', ARGV[1])
  if first and first ~= position then
    repeats[#repeats + 1] = (i - 1) / 2
    repeats[#repeats + 1] = first
  end
end
return repeats
