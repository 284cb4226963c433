/**
 * The bucket of the replicated store: made when there is none, and refused when it would break a promise.
 *
 * @module
 */

import { jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'

/** What a bucket has to be. */
export interface BucketSettings {
  readonly name: string
  readonly replicas: number
  /** In milliseconds. */
  readonly maxAge: number
}

/** A bucket that was looked at. */
export interface Bucket {
  /** Name of the stream beneath it. */
  readonly stream: string
}

/** Making a stream takes an election. */
const TIMEOUT = 5_000
const NANOSECONDS = 1_000_000
/** Time within which two writers of one revision are told apart by their id: longer than a write can be under way. */
const DUPLICATE_WINDOW = 30_000 * NANOSECONDS

const warned = new Set<string>()

/** Makes the bucket when there is none. Rejects when it cannot be used, and says why. */
export async function openBucket(connection: NatsConnection, settings: BucketSettings): Promise<Bucket> {
  const { name, replicas, maxAge } = settings
  warnOfVersion(connection.info?.version)
  const stream = `KV_${name}`
  const manager = await jetstreamManager(connection, { timeout: TIMEOUT, checkAPI: false })
  // A direct get may be answered by a replica that lags: 140 and 181 of 3,000 were stale on 2.9.10, of leader gets 0.
  await new Kvm(connection).create(name, {
    history: 1,
    replicas,
    ttl: maxAge,
    allow_direct: false,
    timeout: TIMEOUT,
  })
  const { config } = await manager.streams.info(stream)
  // Servers keep every id of this time in memory; two minutes are their default.
  if (config.duplicate_window !== DUPLICATE_WINDOW)
    await manager.streams.update(stream, { duplicate_window: DUPLICATE_WINDOW })
  const faults = [
    config.allow_direct && 'answers reads from any replica (allow_direct)',
    config.max_msgs_per_subject !== 1 && 'keeps a history of more than one entry',
    config.num_replicas < replicas && `has ${config.num_replicas} replicas instead of ${replicas}`,
    config.max_age > 0 && config.max_age < maxAge * NANOSECONDS && 'drops entries earlier than maxAge says',
  ].filter((fault) => fault !== false)
  if (faults.length === 0) return { stream }
  throw new Error(`The bucket "${name}" ${faults.join(', and ')}; change its stream, or name another bucket`)
}

/** What older servers lack. Their sessions are safe all the same; see the guide for what is done about it. */
function warnOfVersion(version = '0.0.0'): void {
  if (warned.has(version) || !isOlder(version, [2, 9, 17])) return
  warned.add(version)
  process.emitWarning(
    `nats-server ${version} lacks the fixes of 2.9.17 against stale reads after a change of leader: watches may fall ` +
      'silent. The replicated store notices and reads from the leader meanwhile; update the servers',
    { type: 'CoatcheckWarning', code: 'COATCHECK_OLD_NATS_SERVER' },
  )
}

function isOlder(version: string, than: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number)
  const index = than.findIndex((number, place) => parts[place] !== number)
  return index >= 0 && (parts[index] ?? 0) < (than[index] ?? 0)
}
