/**
 * Revocations in NATS JetStream, pushed by a watch.
 *
 * @module
 */

import { hash, randomBytes } from 'node:crypto'
import type { LogEntry, LogWatch, ReplicatedLog } from '../../stores/replicated/log.ts'
import { StoreUnavailableError } from '../../stores/store.ts'
import type {
  RevocationEntry,
  RevocationListener,
  RevocationLog,
  RevocationSnapshot,
} from '../revocation-log.ts'
import { type Connection, type ConnectionEvents, keepConnected } from './channel.ts'
import { identityOf } from './denials.ts'
import { decodeEntry, encodeEntry } from './entry-text.ts'

const ENTRY = 'revoked.'
const NONCE = 'nonce.'

/** Expired entries removed by one snapshot at most. */
const REMOVED_PER_SNAPSHOT = 100

/**
 * Creates a log in a bucket of its own.
 *
 * @param bucket What `createNatsLog(connection, { bucket: 'revocations' })` of `coatcheck/stores/replicated` makes.
 * Not the bucket of sessions.
 * @example
 * ```ts
 * const bucket = createNatsLog(connection, { bucket: 'revocations' })
 * const revocations = createRevocations(createNatsRevocationLog(bucket))
 * ```
 */
export function createNatsRevocationLog(bucket: ReplicatedLog): RevocationLog {
  const owner = randomBytes(9).toString('base64url')
  let reads = 0

  /** Writes under a key that only this process writes, so that no more than one of them is kept. */
  const note = (name: string, text: string): Promise<number> =>
    bucket.append(`${NONCE}${owner}.${name}`, { meta: '', data: Buffer.from(text) })

  return {
    name: bucket.name,

    async now() {
      await note('clock', '')
      const entry = await bucket.get(`${NONCE}${owner}.clock`)
      if (!entry) throw new StoreUnavailableError('Cannot ask NATS for the time as what was written is gone')
      return entry.at
    },

    async append(entry) {
      const lifetime = entry.expiresAt - Date.now()
      if (lifetime > bucket.maxAge) {
        throw new RangeError(
          'Cannot store a revocation as it must outlive the maxAge of the bucket; raise maxAge',
        )
      }
      const key = ENTRY + hash('sha256', identityOf(entry), 'base64url')
      await bucket.append(key, { meta: '', data: Buffer.from(encodeEntry(entry)) })
    },

    async snapshot() {
      // What is written now comes after everything that there is; when it comes, all of that has come.
      const sequence = await note(`snapshot${(reads += 1) % 8}`, '')
      return readAll(bucket, sequence)
    },

    subscribe(listener) {
      const connection = keepConnected(
        'NATS',
        (events) => watch(bucket, listener, events),
        () => listener.broken(),
      )
      return {
        async echo(nonce) {
          connection.current()
          await note('echo', nonce)
        },
        async close() {
          connection.close()
        },
      }
    },
  }
}

/** Reads everything up to a number. */
async function readAll(bucket: ReplicatedLog, sequence: number): Promise<RevocationSnapshot> {
  const entries: RevocationEntry[] = []
  const expired: number[] = []
  let stop: () => void = () => undefined
  try {
    await new Promise<void>((resolve, reject) => {
      const listener = {
        changed(change: LogEntry) {
          const entry = readEntry(change)
          if (entry && entry.expiresAt > change.at && entry.expiresAt > Date.now()) entries.push(entry)
          else if (entry) expired.push(change.revision)
          if (change.revision >= sequence) resolve()
        },
        broken: (reason: unknown) => reject(new Error('The watch broke', { cause: reason })),
      }
      bucket.watch(listener, { metaOnly: false }).then((opened: LogWatch) => {
        stop = () => opened.stop()
      }, reject)
    })
  } finally {
    stop()
  }
  for (const revision of expired.slice(0, REMOVED_PER_SNAPSHOT)) {
    // Another server may remove it at this moment; who comes late finds it gone.
    void bucket.forget(revision).catch(() => undefined)
  }
  return { sequence, entries }
}

/** Begins to watch. A watch tells everything that there is first, and says itself when it has lost something. */
function watch(
  bucket: ReplicatedLog,
  listener: RevocationListener,
  { isCurrent, onEnd }: ConnectionEvents,
): Connection {
  let last = 0
  let isEnded = false
  const ready = bucket.watch(
    {
      changed(change) {
        if (!isCurrent()) return
        // Numbers of entries that were replaced or removed are skipped, and nothing is between.
        listener.appended(change.revision, readEntry(change), last)
        last = change.revision
        if (change.key.startsWith(NONCE) && change.key.endsWith('.echo')) {
          listener.echoed(Buffer.from(change.data).toString(), change.revision)
        }
      },
      broken: onEnd,
    },
    { metaOnly: false },
  )
  const opened = ready.then((open) => {
    if (isEnded) open.stop()
    return open
  })
  return {
    ready: opened,
    end() {
      isEnded = true
      opened.then((open) => open.stop()).catch(() => undefined)
    },
  }
}

function readEntry({ key, data, removed }: LogEntry): RevocationEntry | undefined {
  return removed || !key.startsWith(ENTRY) ? undefined : decodeEntry(Buffer.from(data).toString())
}
