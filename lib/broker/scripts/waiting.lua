-- Tells which entries of a stream wait to be taken.
--
--   KEYS[1]   the stream
--   ARGV[1…]  ids
--
-- Replies those of the ids, in their order, that the stream holds and that no
-- group of it has been given. What a group was given may still be there: it is
-- deleted by a command of its own, which the taker may not have lived to send.

local stream = KEYS[1]
if redis.call("EXISTS", stream) == 0 then return {} end

local function parts(id)
  local major, minor = string.match(id, "^(%d+)-(%d+)$")
  return tonumber(major), tonumber(minor)
end

local givenMajor, givenMinor = 0, 0
for _, group in ipairs(redis.call("XINFO", "GROUPS", stream)) do
  for at = 1, #group, 2 do
    if group[at] == "last-delivered-id" then
      local major, minor = parts(group[at + 1])
      if major > givenMajor or (major == givenMajor and minor > givenMinor) then
        givenMajor, givenMinor = major, minor
      end
    end
  end
end

local waiting = {}
for _, id in ipairs(ARGV) do
  local major, minor = parts(id)
  local isGiven = major < givenMajor or (major == givenMajor and minor <= givenMinor)
  if not isGiven and #redis.call("XRANGE", stream, id, id) > 0 then waiting[#waiting + 1] = id end
end
return waiting
