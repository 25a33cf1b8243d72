/** How far the clocks of two machines may differ, ms: a list from later than that does not hold back those of now. */
const SKEW_MS = 60_000;

/**
 * Compare and set, where nobody comes in between. KEYS: the key. ARGV: the text, its `at`, the time to live in ms, the longest text in bytes,
 * the channel and the message on it.
 * A list that is newer stays, unless it is from the future of the server's clock. One of a newer format stays too, and that is an error. What is
 * there and is no list, of whatever type, is replaced. One whose body is the same becomes as young as the new one, and nobody is told: when a
 * hundred processes see one change, one message goes out. A user that may not publish stores all the same.
 * The first line is that of `encodeSnapshot`.
 */
export const SAVE_SCRIPT: string = `
local header = '^ferrule%-list 1 (%d+) %x+\\n'
local changed = true
if redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('STRLEN', KEYS[1]) <= tonumber(ARGV[4]) then
  local stored = redis.call('GET', KEYS[1])
  local format = string.match(stored, '^ferrule%-list (%d+) ')
  if format and tonumber(format) > 1 then
    return redis.error_reply('ERR a list of format ' .. format .. ' of a newer version is stored, and stays')
  end
  local _, storedEnd, storedAt = string.find(stored, header)
  if storedAt then
    local isNewer = tonumber(storedAt) > tonumber(ARGV[2])
    if isNewer and tonumber(storedAt) <= tonumber(redis.call('TIME')[1]) * 1000 + ${SKEW_MS} then
      return 0
    end
    local _, newEnd = string.find(ARGV[1], header)
    changed = string.sub(stored, storedEnd + 1) ~= string.sub(ARGV[1], newEnd + 1)
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
if changed then
  redis.pcall('PUBLISH', ARGV[5], ARGV[6])
end
return 1
`;
