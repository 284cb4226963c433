/**
 * What an operator should know about a Redis server before sessions are kept there.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { type SessionStore, StoreUnavailableError } from '../store.ts'
import type { RedisLink } from './clients.ts'
import { toUnavailable } from './errors.ts'
import type { RedisStoreSettings } from './settings.ts'
import { readSlots } from './slots.ts'

/** What INFO tells, by name. */
type Info = ReadonlyMap<string, string>

const OLDEST = [6, 2] as const

/** Examines each primary; rejects when sessions cannot be kept there. */
export async function examine(
  link: RedisLink,
  store: SessionStore,
  { prefix }: RedisStoreSettings,
): Promise<readonly string[]> {
  const warnings = new Set<string>()
  try {
    const first = `${prefix}t`
    assertUsable(await readInfo(link, first), link)
    await rehearse(store)
    for (const key of link.isCluster ? await findKeys(link, first) : [first]) {
      const info = await readInfo(link, key)
      assertUsable(info, link)
      for (const warning of await findDangers(link, key, info)) warnings.add(warning)
    }
  } catch (error) {
    throw toUnavailable(error)
  }
  return [...warnings]
}

/** Sends a command that names no key to the primary of one. */
async function sendBeside(link: RedisLink, key: string, ...args: string[]): Promise<unknown> {
  const [, answer] = await link.sendPair(key, ['EXISTS', key], args)
  return answer
}

async function readInfo(link: RedisLink, key: string): Promise<Info> {
  const sections = ['server', 'replication', 'persistence', 'memory', 'cluster']
  const answers: string[] = []
  for (const section of sections) answers.push(String(await sendBeside(link, key, 'INFO', section)))
  const lines = answers.join('\r\n').split(/\r?\n/)
  return new Map(lines.flatMap((line) => (line.includes(':') ? [splitOnce(line)] : [])))
}

function splitOnce(line: string): readonly [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon), line.slice(colon + 1)]
}

/** A key on each primary of a cluster. */
async function findKeys(link: RedisLink, key: string): Promise<readonly string[]> {
  const { primaries } = readSlots(await sendBeside(link, key, 'CLUSTER', 'SLOTS'), '')
  return primaries.map(({ tag }) => `{${tag}}`)
}

function assertUsable(info: Info, link: RedisLink): void {
  const version = info.get('redis_version') ?? ''
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (version && (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))) {
    refuse(`the server is Redis ${version}, which is too old; use ${OLDEST.join('.')} or newer, or Valkey`)
  }
  if (info.get('cluster_enabled') === '1' && !link.isCluster) {
    refuse('the server is a node of a cluster; use createCluster() or new Cluster()')
  }
  if (info.get('role') === 'slave') {
    refuse('the server is a replica; connect to the primary, by Sentinel or Cluster where these choose it')
  }
}

/** Runs all that the store does once, so that a missing permission shows now. */
async function rehearse(store: SessionStore): Promise<void> {
  const key = randomBytes(32).toString('base64url')
  const now = (await store.now?.()) ?? Date.now()
  const record = {
    data: '',
    principal: 'coatcheck-check',
    createdAt: now,
    lastSeenAt: now,
    expiresAt: now + 60_000,
  }
  const created = await store.create(key, record)
  const version = created.outcome === 'written' ? created.version : 0
  await store.write(key, version, record)
  await store.touch(key, now + 1, record.expiresAt + 1)
  const found = await store.read(key)
  if (!(await store.delete(key)) || !found)
    refuse('it does not keep what it is given; check what lies between')
}

async function findDangers(link: RedisLink, key: string, info: Info): Promise<readonly string[]> {
  const warnings: string[] = []
  const policy = info.get('maxmemory_policy') ?? ''
  if (policy && policy !== 'noeviction') {
    warnings.push(
      `Redis drops live sessions when its memory is full, as maxmemory-policy is ${policy}: CONFIG SET maxmemory-policy noeviction`,
    )
  }
  const replicas = Number(info.get('connected_slaves') ?? 0)
  // INFO has this line only where min-replicas-to-write and min-replicas-max-lag are set.
  if (replicas > 0 && !info.has('min_slaves_good_slaves')) {
    warnings.push(
      'A Redis primary that is cut off from its replicas goes on to acknowledge writes that are lost at the failover: ' +
        'CONFIG SET min-replicas-to-write 1 and CONFIG SET min-replicas-max-lag 2, or the option wait of the store',
    )
  }
  if (info.get('aof_enabled') !== '1') warnings.push(...(await examineSnapshots(link, key)))
  return warnings
}

async function examineSnapshots(link: RedisLink, key: string): Promise<readonly string[]> {
  let answer: unknown
  try {
    answer = await sendBeside(link, key, 'CONFIG', 'GET', 'save')
  } catch (error) {
    if (
      error instanceof Error &&
      /^(NOPERM|ERR unknown command|ERR unknown subcommand)/i.test(error.message)
    ) {
      return [
        'Could not check whether Redis writes sessions to its disk, as it refuses CONFIG GET save: ' +
          'make sure that it keeps snapshots or an append-only file',
      ]
    }
    throw error
  }
  if (valueOf(answer, 'save')) return []
  return [
    'Redis forgets all sessions when it restarts, as it writes nothing to its disk: CONFIG SET appendonly yes',
  ]
}

/** CONFIG GET answers a map over RESP 3 and a flat array over RESP 2. */
function valueOf(answer: unknown, name: string): string {
  if (Array.isArray(answer)) return String(answer[answer.indexOf(name) + 1] ?? '')
  if (answer instanceof Map) return String(answer.get(name) ?? '')
  return (answer as Readonly<Record<string, string>> | null)?.[name] ?? ''
}

function refuse(reason: string): never {
  throw new StoreUnavailableError(`Cannot use the Redis session store: ${reason}`)
}
