/**
 * The writes of the store, each one Lua script and so one atomic step of the server.
 *
 * `KEYS[1]` is the record, `KEYS[2]` its last use, in one slot; `KEYS[3]`, where keys are not spread over nodes, the index
 * of its user; then the same of the next session. `ARGV[1]` is the last millisecond by the server's clock at which a write
 * may still be executed, so that what waited in some queue for longer than its caller did is not applied.
 *
 * They run on Redis 6.2 and newer and on Valkey: no PEXPIRETIME and no PEXPIREAT GT, which Redis 7 brought.
 *
 * @module
 */

import { createHash } from 'node:crypto'

/** A script and its name on the server. */
export interface RedisScript {
  readonly source: string
  readonly sha: string
}

/** What a write may answer first. */
export const Outcome = { gone: 0, done: 1, conflict: 2, late: 3, prolong: 4, failed: 5 } as const

/** How often the score of an index entry counts a second: the lower digits hold when it was entered. */
export const SCORE_UNIT = 2 ** 20

/** Numbers have 53 bits in Lua as in JavaScript, and `%.0f` writes all of them; `tostring` would write 14 digits. */
const prelude = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function late()
  return tonumber(ARGV[1]) > 0 and now > tonumber(ARGV[1])
end
local function int(number)
  return string.format('%.0f', number)
end
local function live()
  return redis.call('EXISTS', KEYS[1], KEYS[2]) == 2
end
local function enter(index, member, keepUntil)
  local seconds = math.ceil(keepUntil / 1000)
  local old = redis.call('ZSCORE', index, member)
  if old then seconds = math.max(seconds, math.floor(old / ${SCORE_UNIT})) end
  redis.call('ZREMRANGEBYSCORE', index, '-inf', int(clock[1] * ${SCORE_UNIT} - 1))
  redis.call('ZADD', index, int(seconds * ${SCORE_UNIT} + clock[1] % ${SCORE_UNIT}), member)
  local rest = redis.call('PTTL', index)
  if rest < 0 or now + rest < seconds * 1000 then redis.call('PEXPIREAT', index, int(seconds * 1000)) end
end
`

/**
 * `deadline`, then for each session one text, as each argument costs the client: `keys version lastSeenAt expiresAt body`. It has
 * 2 keys, or 3 when it is to be entered into an index; the version `-` creates it.
 * → `[done, outcome, version, outcome, version, …]`
 *
 * Each session is written or not, whatever becomes of the others: one whose keys are damaged has `failed` and a message.
 * What fails for all, such as a replica or a full memory, is the script's own error, as clients look for these.
 */
export const putScript = script(`
if late() then return {${Outcome.late}, now} end
local function put(key, count, text)
  local record, use = KEYS[key], KEYS[key + 1]
  local expected, seenAt, expiresAt, body = string.match(text, '^%d (%S+) (%S+) (%S+) (.*)$')
  local liveUntil = math.ceil(tonumber(expiresAt)) - 1
  -- As keepUntil() of the record.
  local keepUntil = liveUntil + math.ceil(math.max(0, tonumber(expiresAt) - tonumber(seenAt)) / 2)
  local exists = redis.call('EXISTS', record, use) == 2
  local head = redis.pcall('GETRANGE', record, 0, 16)
  local version = type(head) == 'string' and tonumber(string.match(head, '^(%d+) ')) or nil
  if expected == '-' then
    if exists then return ${Outcome.conflict} end
  else
    if not exists then return ${Outcome.gone} end
    if version ~= tonumber(expected) then return ${Outcome.conflict} end
  end
  -- Histories that a failover has forked never give one version to two records, as the clock is in it.
  local next = math.max((version or 0) + 1, clock[1] * 1000000 + clock[2])
  if liveUntil < now then
    redis.call('DEL', record, use)
  else
    redis.call('SET', record, int(next) .. ' ' .. body, 'PXAT', int(keepUntil))
    redis.call('SET', use, seenAt .. ' ' .. expiresAt, 'PXAT', int(liveUntil))
  end
  if count == 3 then enter(KEYS[key + 2], string.match(record, '{(.*)}$'), keepUntil) end
  return ${Outcome.done}, next
end
local answer, key, failure, answered = {${Outcome.done}}, 1, nil, false
for at = 2, #ARGV do
  local count = tonumber(string.sub(ARGV[at], 1, 1))
  local ok, outcome, detail = pcall(put, key, count, ARGV[at])
  if ok then
    answered = true
  else
    failure = type(outcome) == 'table' and outcome.err or tostring(outcome)
    outcome, detail = ${Outcome.failed}, failure
  end
  table.insert(answer, outcome)
  table.insert(answer, detail or 0)
  key = key + count
end
if failure and not answered then return redis.error_reply(failure) end
return answer
`)

/**
 * `deadline, lastSeenAt, expiresAt, keepUntil` → `[outcome, record]`. It writes the last use only. When the record has to
 * be kept for longer it does nothing, gives the record and asks to be called again with `keepUntil`, which is 0 at first.
 */
export const touchScript = script(`
if late() then return {${Outcome.late}, now} end
if not live() then return {${Outcome.gone}} end
local use = redis.pcall('GET', KEYS[2])
if type(use) ~= 'string' then return {${Outcome.gone}} end
local seenAt, expiresAt = string.match(use, '^(%S+) (%S+)$')
if not (tonumber(seenAt) and tonumber(expiresAt)) then return {${Outcome.gone}} end
-- The texts are kept as they came: a number in Lua would lose digits when it is written.
if tonumber(ARGV[2]) > tonumber(seenAt) then seenAt = ARGV[2] end
if tonumber(ARGV[3]) > tonumber(expiresAt) then expiresAt = ARGV[3] end
local liveUntil = math.ceil(tonumber(expiresAt)) - 1
local rest = redis.call('PTTL', KEYS[1])
if rest >= 0 and now + rest < liveUntil then
  if tonumber(ARGV[4]) < liveUntil then
    local record = redis.pcall('GET', KEYS[1])
    return {${Outcome.prolong}, type(record) == 'string' and record or ''}
  end
  redis.call('PEXPIREAT', KEYS[1], ARGV[4])
end
redis.call('SET', KEYS[2], seenAt .. ' ' .. expiresAt, 'PXAT', int(liveUntil))
return {${Outcome.done}}
`)

/** `deadline` → `[outcome, record, use, connected replicas, replication id]` */
export const deleteScript = script(`
if late() then return {${Outcome.late}, now} end
local found = live()
local record = redis.pcall('GET', KEYS[1])
local use = redis.pcall('GET', KEYS[2])
redis.call('DEL', KEYS[1], KEYS[2])
local info = redis.pcall('INFO', 'replication')
if type(info) ~= 'string' then info = '' end
local replicas = tonumber(string.match(info, 'connected_slaves:(%d+)')) or 0
local id = string.match(info, 'master_replid:(%w+)') or ''
if not found then return {${Outcome.gone}, '', '', replicas, id} end
if type(record) ~= 'string' then record = '' end
if type(use) ~= 'string' then use = '' end
return {${Outcome.done}, record, use, replicas, id}
`)

/**
 * `deadline` → replication id. `KEYS[1]` is a key of no meaning: its write is behind all others in the stream to the
 * replicas, so that whoever has it has them too.
 */
export const fenceScript = script(`
redis.call('SET', KEYS[1], '', 'PX', 1000)
return string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
`)

/** `deadline, lifetime` → 1 when the record was moved to `KEYS[3]`, 0 when there was none */
export const quarantineScript = script(`
if late() then return {${Outcome.late}, now} end
if redis.call('DEL', KEYS[2]) == 0 then return {${Outcome.gone}} end
if redis.call('EXISTS', KEYS[1]) == 0 then return {${Outcome.gone}} end
redis.call('RENAME', KEYS[1], KEYS[3])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return {${Outcome.done}}
`)

/** `deadline, keepUntil, member`; `KEYS[1]` is an index → the server's clock in milliseconds */
export const enterScript = script(`
enter(KEYS[1], ARGV[3], ARGV[2])
return now
`)

/** `KEYS[1]` is an index → `[the server's clock in seconds, member, score, member, score, …]` */
export const membersScript = script(`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', int(clock[1] * ${SCORE_UNIT} - 1))
local members = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
table.insert(members, 1, clock[1])
return members
`)

/** `deadline, member, score, member, score, …`; `KEYS[1]` is an index. An entry that was entered again stays. */
export const leaveScript = script(`
for i = 2, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and (ARGV[i + 1] == '' or tonumber(score) == tonumber(ARGV[i + 1])) then
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return 1
`)

function script(body: string): RedisScript {
  const source = `${prelude}${body}`
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
