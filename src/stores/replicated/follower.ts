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
import type { LogEntry, LogWatch, ReplicatedLog } from './log.ts'
import { echoName, SECRET } from './names.ts'
import { isSameSecret, needsSecret, shareSecret } from './secret.ts'
import { createWaiters } from './waiters.ts'

/** Options of {@link createFollower}. */
export interface FollowerOptions {
  /** Age of the newest proof from which on the copy proves nothing, in milliseconds. */
  readonly bound: number
  /** How often a proof is asked for, in milliseconds. */
  readonly interval: number
  /** Longest wait for the watch to come to a given entry, in milliseconds. */
  readonly patience: number
  readonly wall: () => number
  readonly monotonic: () => number
  /** Number from 0 to 1, for the jitter between attempts. */
  readonly random: () => number
  /** Whether the next watch carries data. */
  readonly wantsData: () => boolean
  /** Called for each entry of the copy that is in use. */
  readonly onChange: (entry: LogEntry) => void
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
  /** Builds another copy. */
  restart(): void
  close(): Promise<void>
}

/** First and longest pause before an attempt to watch, in milliseconds. */
const PAUSES = [100, 2_000] as const
/** Silence in which an attempt to build a copy is given up, in milliseconds. */
const SILENCE = 1_500
/** How often it is looked after the watch, in milliseconds. Also how soon a nonce follows one that proved nothing. */
const LOOKING = 100

/** A copy and the watch that feeds it. */
interface Attempt {
  readonly copy: Copy
  watch: LogWatch | undefined
  /** When it was begun, or delivered something, by the monotonic clock. */
  movedAt: number
  /** Whether the last nonce that came back proved nothing, as entries had been left out. */
  isDoubtful: boolean
}

/** What a nonce is to prove, and how far it has. */
interface Question {
  readonly attempt: Attempt | undefined
  /** How many gaps the copy had when the nonce was sent. */
  readonly gaps: number
  /** Whether the watch has brought the nonce back, to a copy that lacked nothing since. */
  isBack: boolean
  /** Whether the log was found to be the one that the copy is of. */
  isChecked: boolean
}

/** Begins to follow a log. Its timers do not keep the process alive. */
export function createFollower(log: ReplicatedLog, options: FollowerOptions): Follower {
  const { bound, interval, patience, wall, monotonic, random, wantsData, onChange } = options
  const owner = randomBytes(9).toString('base64url')
  const echo = echoName(owner)
  const lag = createLagMeter(monotonic)
  const waiters = createWaiters(patience)
  /** By nonce. */
  const sent = new Map<string, Question>()
  /** In use. While another one is built it stands still, and is believed as long as its last proof holds. */
  let current: Attempt | undefined
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

  const lease = createLease(send, {
    bound,
    interval,
    wall,
    monotonic,
    onLapse: restart,
    onRenew: () => (failures = 0),
  })
  const looking = setInterval(look, LOOKING).unref()
  begin()

  async function send(nonce: string): Promise<void> {
    const attempt = building ?? current
    const question = { attempt, gaps: attempt?.copy.gaps ?? 0, isBack: false, isChecked: false }
    sent.set(nonce, question)
    checkLog(nonce, question).catch(() => undefined)
    echoRevision = await log.append(echo, { meta: nonce, data: NO_DATA })
    lag.acknowledged(echoRevision)
  }

  /** Who empties the log, or makes it anew, tells no watch of it. But the secret is gone then. */
  async function checkLog(nonce: string, question: Question): Promise<void> {
    const { attempt } = question
    const known = attempt?.copy.secret
    if (!isSameSecret(known, await log.get(SECRET))) return forsake(attempt)
    question.isChecked = true
    conclude(nonce, question)
  }

  /** Drops every copy, as the log was emptied: what they hold is nowhere else. */
  function forsake(attempt: Attempt | undefined): void {
    if (attempt !== current && attempt !== building) return
    current?.watch?.stop()
    building?.watch?.stop()
    current = building = undefined
    lease.break()
    plan()
  }

  function begin(): void {
    retry = undefined
    if (closed) return
    const copy = createCopy(wantsData())
    const attempt: Attempt = { copy, watch: undefined, movedAt: monotonic(), isDoubtful: false }
    building?.watch?.stop()
    building = attempt
    attempts += 1
    const listener = { changed: (entry: LogEntry) => take(attempt, entry), broken: () => lose(attempt) }
    log.watch(listener, { metaOnly: !copy.full }).then(
      (watch) => {
        attempt.watch = watch
        if (attempt !== building && attempt !== current) watch.stop()
      },
      () => lose(attempt),
    )
  }

  function take(attempt: Attempt, entry: LogEntry): void {
    if (attempt !== current && attempt !== building) return
    const { secret } = attempt.copy
    attempt.movedAt = monotonic()
    attempt.copy.deliver(entry)
    // Another server has noticed first that the log was emptied, and has put a secret of its own into it.
    if (!isSameSecret(secret, attempt.copy.secret)) return forsake(attempt)
    if (entry.key === echo && !entry.removed) receive(attempt, entry.meta)
    if (attempt !== current) return
    lag.delivered(entry.revision)
    onChange(entry)
    tell(attempt.copy)
  }

  /** Tells those who wait for the copy in use how far it is. */
  function tell(copy: Copy): void {
    waiters.release(copy.position)
    if (!needsSecret(copy.secret) && lease.isLive()) becomeReady()
  }

  function receive(attempt: Attempt, nonce: string): void {
    const question = sent.get(nonce)
    if (!question) return
    question.isBack = question.attempt === attempt && question.gaps === attempt.copy.gaps
    attempt.isDoubtful = !question.isBack
    conclude(nonce, question)
  }

  /** A nonce proves a copy that has lacked nothing since it was sent, of a log that was still the same one then. */
  function conclude(nonce: string, { attempt, isBack, isChecked }: Question): void {
    if (!attempt || !isBack || !isChecked || !sent.has(nonce)) return
    // What it proves includes what those before it do.
    for (const earlier of sent.keys()) {
      sent.delete(earlier)
      if (earlier === nonce) break
    }
    if (attempt === building) adopt(attempt)
    if (attempt !== current) return
    lease.confirm(nonce)
    tell(attempt.copy)
  }

  function adopt(attempt: Attempt): void {
    current?.watch?.stop()
    building = undefined
    current = attempt
    shareSecret(log, attempt.copy.secret, wall())
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

  function look(): void {
    const attempt = building ?? current
    if (attempt?.isDoubtful) lease.probe()
    if (lease.isLive()) return shareSecret(log, current?.copy.secret, wall())
    if (!attempt || (!retry && monotonic() - attempt.movedAt > SILENCE)) {
      if (attempt) lose(attempt)
      else plan()
    }
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
      const end = monotonic() + patience
      for (;;) {
        const attempt = building ?? current
        const gaps = attempt?.copy.gaps
        const revision = await log.append(echo, { meta: '', data: NO_DATA })
        if ((current?.copy.position ?? 0) < revision) await waiters.wait(revision)
        if (attempt && attempt === current && attempt.copy.gaps === gaps) return attempt.copy
        if (monotonic() > end) throw new Error(`The watch left out entries for more than ${patience} ms`)
      }
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
