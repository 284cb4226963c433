/**
 * Keeps a copy true: watches the log, proves that the watch is alive, and builds another copy when it is not.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { createLease, type Lease } from '../../freshness/lease.ts'
import { NO_DATA } from './codec.ts'
import { type Copy, createCopy } from './copy.ts'
import { createLagMeter, type LagMeter } from './lag.ts'
import type { LogChange, LogEntry, LogWatch, ReplicatedLog } from './log.ts'
import { echoName, SECRET } from './names.ts'

/** Options of {@link createFollower}. */
export interface FollowerOptions {
  /** Age of the newest proof from which on the copy proves nothing, in milliseconds. */
  readonly bound: number
  /** How often a proof is asked for, in milliseconds. */
  readonly interval: number
  /** Longest wait for an entry of ours to come back when the log is asked by it, in milliseconds. */
  readonly patience: number
  readonly wall: () => number
  readonly monotonic: () => number
  /** Number from 0 to 1, for the jitter between attempts. */
  readonly random: () => number
  /** Whether the next watch carries data. */
  readonly wantsData: () => boolean
  /** Called for each entry of the copy that is in use. */
  readonly onChange: (change: LogChange) => void
}

/** A copy that follows the log. */
export interface Follower {
  /** The newest copy that was complete once; `undefined` before the first. */
  readonly copy: Copy | undefined
  readonly lease: Pick<Lease, 'isLive' | 'age'>
  readonly lag: LagMeter
  /** Times that a watch was begun. */
  readonly watches: number
  /** Name under which this process writes its nonces. */
  readonly owner: string
  /** Resolves when there is a full copy with a live lease and a secret, for the first time. */
  readonly ready: Promise<void>
  /** Takes in what this process has stored itself, or was told by the leader. */
  learn(entry: LogEntry): void
  /**
   * Waits until the copy has everything that was acknowledged before the call, on any server.
   *
   * @returns The copy, at that instant. Rejects when the proof does not come in time.
   */
  catchUp(): Promise<Copy>
  /** Builds another copy, as the kind of watch has changed. */
  restart(): void
  close(): Promise<void>
}

/** First and longest pause between two attempts to watch, in milliseconds. */
const PAUSES = [100, 2_000] as const
/** Silence in which an attempt to build a copy is given up, in milliseconds. */
const SILENCE = 1_500
/** How often it is looked at whether the watch is silent, as a share of the bound. */
const LOOKS = 8

interface Waiter {
  readonly revision: number
  readonly resolve: (copy: Copy) => void
}

interface Attempt {
  readonly copy: Copy
  readonly nonces: string[]
  watch: LogWatch | undefined
  /** When it was begun, or delivered something, by the monotonic clock. */
  movedAt: number
}

/** Begins to follow a log. Its timers do not keep the process alive. */
export function createFollower(log: ReplicatedLog, options: FollowerOptions): Follower {
  const { bound, interval, patience, wall, monotonic, random, wantsData, onChange } = options
  const owner = randomBytes(9).toString('base64url')
  const echo = echoName(owner)
  const lag = createLagMeter(monotonic)
  const waiters = new Set<Waiter>()
  let current: Attempt | undefined
  /** Another copy in the making; the current one is used as long as it is proven, which the frozen one is not for long. */
  let building: Attempt | undefined
  let attempts = 0
  let failures = 0
  let closed = false
  let retry: NodeJS.Timeout | undefined
  let echoRevision = 0
  let becomeReady!: () => void
  let refuse!: (error: Error) => void
  const ready = new Promise<void>((resolve, reject) => ([becomeReady, refuse] = [resolve, reject]))
  // Whoever does not wait for it need not hear of it.
  ready.catch(() => undefined)

  const lease = createLease(
    async (nonce) => {
      echoRevision = await log.append(echo, { meta: nonce, data: NO_DATA })
      lag.acknowledged(echoRevision)
    },
    { bound, interval, wall, monotonic, onLapse: restart, onRenew: settle },
  )
  const looking = setInterval(look, bound / LOOKS).unref()
  begin()

  function begin(): void {
    retry = undefined
    if (closed) return
    const attempt: Attempt = {
      copy: createCopy(wantsData()),
      nonces: [],
      watch: undefined,
      movedAt: monotonic(),
    }
    building?.watch?.stop()
    building = attempt
    attempts += 1
    const listener = {
      changed: (change: LogChange) => take(attempt, change),
      broken: () => lose(attempt),
    }
    log.watch(listener, { metaOnly: !attempt.copy.full }).then(
      (watch) => {
        if (attempt === building || attempt === current) {
          attempt.watch = watch
          // Its return ends the initial copy: after the newest entry there is nothing left to come.
          lease.probe()
        } else watch.stop()
      },
      () => lose(attempt),
    )
  }

  function take(attempt: Attempt, change: LogChange): void {
    if (attempt !== current && attempt !== building) return
    attempt.movedAt = monotonic()
    attempt.copy.deliver(change)
    if (change.key === echo && !change.removed) attempt.nonces.push(change.meta)
    if (attempt === building) adopt(attempt)
    if (attempt !== current) return
    lag.delivered(change.revision)
    onChange(change)
    prove(attempt)
  }

  /** Takes a new copy into use, unless the one in use is proven and further on. */
  function adopt(attempt: Attempt): void {
    const { copy } = attempt
    if (!copy.whole || (current && lease.isLive() && copy.position < current.copy.position)) return
    current?.watch?.stop()
    building = undefined
    current = attempt
    shareSecret(copy)
  }

  /** Nonces count once nothing is missing before them. */
  function prove({ copy, nonces }: Attempt): void {
    if (!copy.whole) return
    for (const waiter of waiters) {
      if (copy.position < waiter.revision) continue
      waiters.delete(waiter)
      waiter.resolve(copy)
    }
    for (const nonce of nonces.splice(0)) lease.confirm(nonce)
    if (copy.secret && !copy.secret.removed && lease.isLive()) becomeReady()
  }

  /** All servers authenticate by one secret; the first makes it. Renewed in time, it does not age out. */
  function shareSecret({ secret }: Copy): void {
    const isMissing = !secret || secret.removed
    if (!isMissing && wall() - secret.at < log.maxAge / 2) return
    const data = isMissing ? randomBytes(32) : secret.data
    // Whoever loses gets the winner's by the watch.
    log.put(SECRET, { meta: '', data }, secret?.revision ?? 0).catch(() => undefined)
  }

  function lose(attempt: Attempt): void {
    attempt.watch?.stop()
    if (attempt === building) building = undefined
    else if (attempt !== current || building) return
    plan()
  }

  function restart(): void {
    if (building || closed) return
    current?.watch?.stop()
    plan()
  }

  function plan(): void {
    if (retry || closed) return
    const [first, longest] = PAUSES
    const pause = Math.min(longest, first * 2 ** failures)
    failures += 1
    retry = setTimeout(begin, pause * (0.5 + random() / 2)).unref()
  }

  function settle(): void {
    failures = 0
  }

  /** A watch may be silent from its beginning, and a lease that never was live does not lapse. */
  function look(): void {
    if (lease.isLive()) {
      if (current) shareSecretWhenDue(current.copy)
      return
    }
    if (retry) return
    const attempt = building ?? current
    if (!attempt) plan()
    else if (monotonic() - attempt.movedAt > SILENCE) {
      if (attempt === building) building = undefined
      attempt.watch?.stop()
      plan()
    }
  }

  function shareSecretWhenDue(copy: Copy): void {
    if (copy.secret && wall() - copy.secret.at >= log.maxAge / 2) shareSecret(copy)
  }

  return {
    get copy() {
      return current?.copy
    },
    lease,
    lag,
    get watches() {
      return attempts
    },
    owner,
    ready,
    learn(entry) {
      current?.copy.learn(entry)
      building?.copy.learn(entry)
    },
    async catchUp() {
      const revision = await log.append(echo, { meta: '', data: NO_DATA })
      if (current?.copy.whole && current.copy.position >= revision) return current.copy
      return new Promise((resolve, reject) => {
        const waiter = {
          revision,
          resolve(copy: Copy) {
            clearTimeout(timer)
            resolve(copy)
          },
        }
        const timer = setTimeout(() => {
          waiters.delete(waiter)
          reject(new Error(`The watch did not catch up in ${patience} ms`))
        }, patience)
        waiters.add(waiter)
      })
    },
    restart,
    async close() {
      if (closed) return
      closed = true
      refuse(new Error('The replicated store was closed before it was ready'))
      clearTimeout(retry)
      clearInterval(looking)
      lease.stop()
      current?.watch?.stop()
      building?.watch?.stop()
      // The last nonce would lie there until its age.
      if (echoRevision > 0) await log.forget(echoRevision).catch(() => undefined)
    },
  }
}
