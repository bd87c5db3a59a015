-- Appends to a numbered stream, or replaces what it holds of one series.
--
--   KEYS[1]   the stream; its ids are <series>-<number>
--   ARGV[1]   "append" or "replace"
--   ARGV[2]   the series of the writer
--   ARGV[3]   the number before the first body
--   ARGV[4…]  the bodies, possibly none
--
-- Replies {"appended"}, {"appended", number of the oldest entry of the series
-- that is left}, {"superseded"} or {"gap"}. The last two wrote nothing.

local stream, mode = KEYS[1], ARGV[1]
local series, after = tonumber(ARGV[2]), tonumber(ARGV[3])

local function parts(id)
  local major, minor = string.match(id, "^(%d+)-(%d+)$")
  return tonumber(major), tonumber(minor)
end

local function id(number)
  return string.format("%.0f-%.0f", series, number)
end

-- The last id that the stream ever held, and its oldest entry, if any.
local lastSeries, lastNumber, oldest = 0, 0, false
if redis.call("EXISTS", stream) == 1 then
  local info = redis.call("XINFO", "STREAM", stream)
  for at = 1, #info, 2 do
    if info[at] == "last-generated-id" then lastSeries, lastNumber = parts(info[at + 1]) end
    if info[at] == "first-entry" then oldest = info[at + 1] end
  end
end

if lastSeries > series then return { "superseded" } end

if mode == "append" then
  local follows = lastSeries == series and lastNumber == after
  local begins = lastSeries < series and after == 0
  if not (follows or begins) then return { "gap" } end
else
  -- Redis lowers the last id of no stream, so the stream is made again with
  -- what it held of lower series.
  local kept = redis.call("XRANGE", stream, "-", "(" .. id(0))
  redis.call("DEL", stream)
  for _, entry in ipairs(kept) do
    redis.call("XADD", stream, entry[1], unpack(entry[2]))
  end
  oldest = false
  if #ARGV == 3 then
    -- An entry that comes and goes leaves its id as the last one.
    redis.call("XADD", stream, id(after), "body", "")
    redis.call("XDEL", stream, id(after))
  end
end

for at = 4, #ARGV do
  redis.call("XADD", stream, id(after + at - 3), "body", ARGV[at])
end

if oldest then
  local oldestSeries, oldestNumber = parts(oldest[1])
  if oldestSeries == series then return { "appended", oldestNumber } end
end
local first = redis.call("XRANGE", stream, id(0), "+", "COUNT", 1)[1]
if not first then return { "appended" } end
local _, firstNumber = parts(first[1])
return { "appended", firstNumber }
