/**
 * A store with a deadline on every call and a circuit breaker in front, so that nobody waits for one that is away.
 *
 * @module
 */

import {
  CorruptRecordError,
  type IndexedSessionStore,
  type RevokingSessionStore,
  type SessionStore,
  StoreUnavailableError,
} from '../stores/store.ts'

/** Options of {@link guardStore}. */
export interface StoreGuardOptions {
  /** Longest wait for one call, in milliseconds. */
  readonly timeout: number
  /** Called when the breaker opens. */
  readonly onDown: (error: unknown) => void
  /** Called when the store answers again. */
  readonly onUp: (downtime: number) => void
}

/** Two calls in a row that miss a deadline of half a second open the breaker within a second. */
const FAILURES_TO_OPEN = 2
/** While it is open, a call is let through to probe so long after the last one has failed, in milliseconds. */
const PROBE_INTERVAL = 250
/**
 * A probe without an answer is waited for so long before there is another, in milliseconds: each may be one more connection to
 * a server that stands still, which has to look at all of them when it wakes up.
 */
const PROBE_PATIENCE = 2_000

/**
 * Wraps a store. Whatever goes wrong in it becomes a {@link StoreUnavailableError} with its `cause`, but for
 * {@link CorruptRecordError}, which is an answer.
 *
 * While the breaker is open, calls fail at once; they do not wait for the one that probes.
 */
export function guardStore<Store extends SessionStore | IndexedSessionStore | RevokingSessionStore>(
  store: Store,
  options: StoreGuardOptions,
): Store {
  const { timeout } = options
  const deadlines = createDeadlines(timeout, miss)
  const breaker = createBreaker(options)

  // One promise for each call and no async function: this is on the path of every request.
  function run<Result>(operation: string, call: () => Promise<Result>): Promise<Result> {
    if (!breaker.enter()) {
      return Promise.reject(
        unavailable(`Cannot ${operation} as the ${store.name} store has just failed repeatedly`),
      )
    }
    return new Promise((resolve, reject) => {
      const waiting = deadlines.add(operation, reject)
      call().then(
        (result) => {
          if (!deadlines.end(waiting)) return breaker.wake(0)
          breaker.succeed()
          resolve(result)
        },
        (error: unknown) => {
          if (!deadlines.end(waiting)) return breaker.wake(PROBE_INTERVAL)
          if (error instanceof CorruptRecordError) breaker.succeed()
          reject(error instanceof CorruptRecordError ? error : tellFailure(operation, error))
        },
      )
    })
  }

  function tellFailure(operation: string, cause: unknown): StoreUnavailableError {
    const error =
      cause instanceof StoreUnavailableError
        ? cause
        : unavailable(`Cannot ${operation} as the ${store.name} store failed`, cause)
    breaker.fail(error, PROBE_INTERVAL)
    return error
  }

  function miss(operation: string): StoreUnavailableError {
    const error = unavailable(
      `Cannot ${operation} as the ${store.name} store gave no answer in ${timeout} ms`,
    )
    breaker.fail(error, PROBE_PATIENCE - timeout)
    return error
  }

  const { now, sweep, copies } = store
  const guarded: SessionStore = {
    name: store.name,
    create: (key, record) => run('create a session', () => store.create(key, record)),
    read: (key, atLeast) => run('read a session', () => store.read(key, atLeast)),
    write: (key, version, record) => run('write a session', () => store.write(key, version, record)),
    touch: (key, lastSeenAt, expiresAt) =>
      run('touch a session', () => store.touch(key, lastSeenAt, expiresAt)),
    delete: (key) => run('delete a session', () => store.delete(key)),
    quarantine: (key) => run('set a corrupt record aside', () => store.quarantine(key)),
    ...(now && { now: () => run('ask for the time', () => now.call(store)) }),
    ...(sweep && { sweep: (limit: number) => run('sweep', () => sweep.call(store, limit)) }),
    // Looking at a copy cannot fail, and goes on while the breaker is open.
    ...(copies && {
      copies: {
        peek: (key: string, at: number, atLeast: number) => copies.peek(key, at, atLeast),
        stale: (key: string, at: number) => copies.stale(key, at),
        fresh: (key: string) => run('read a session', () => copies.fresh(key)),
        stamp: (key: string, version: number) => copies.stamp(key, version),
        floor: (key: string, stamp: string) => copies.floor(key, stamp),
      },
    }),
    ...('revokeAll' in store && {
      revokeAll: (principal: string, except?: string) =>
        run("end a user's sessions", () => store.revokeAll(principal, except)),
    }),
    ...('list' in store && {
      list: (principal: string) => run("list a user's sessions", () => store.list(principal)),
    }),
  }
  return guarded as Store
}

function unavailable(message: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(message, cause === undefined ? undefined : { cause })
}

interface Breaker {
  /** Whether a call may go to the store. Whoever enters tells how it ended. */
  enter(): boolean
  succeed(): void
  /** @param pause Until the next probe, in milliseconds. */
  fail(error: Error, pause: number): void
  /** Lets a probe be sent after this pause at the latest: what was given up has come to an end after all. */
  wake(pause: number): void
}

/**
 * Opens when calls in a row fail and none has succeeded for the time of one deadline: of a store whose keys are spread
 * over nodes, one may be down while the others answer.
 */
function createBreaker({ timeout, onDown, onUp }: StoreGuardOptions): Breaker {
  let open = false
  let failures = 0
  let openedAt = 0
  let probeAt = 0
  let succeededAt = Number.NEGATIVE_INFINITY
  let cause: Error | undefined

  function isOpen(now: number): boolean {
    if (open || failures < FAILURES_TO_OPEN || now - succeededAt < timeout) return open
    open = true
    openedAt = now
    onDown(cause)
    return true
  }

  return {
    enter() {
      if (failures < FAILURES_TO_OPEN) return true
      const now = performance.now()
      if (!isOpen(now)) return true
      if (now < probeAt) return false
      // The next probe is due when this one has failed, or has not told in time.
      probeAt = Number.POSITIVE_INFINITY
      return true
    },
    succeed() {
      succeededAt = performance.now()
      failures = 0
      if (!open) return
      open = false
      onUp(Math.round(succeededAt - openedAt))
    },
    fail(error, pause) {
      const now = performance.now()
      probeAt = now + Math.max(PROBE_INTERVAL, pause)
      failures += 1
      cause = error
      isOpen(now)
    },
    wake(pause) {
      probeAt = Math.min(probeAt, performance.now() + pause)
    },
  }
}

/** A call that the store has not answered yet. */
interface Waiting {
  /** When it is given up, by `performance.now()`. */
  readonly at: number
  readonly operation: string
  readonly reject: (error: Error) => void
}

/**
 * One timer for all calls under way: they have the same timeout, so they end in the order in which they began.
 *
 * It is not cleared when they have ended: it goes off at most once in a timeout, and an idle one costs nothing. They wait in
 * a ring: of what grows and shrinks, such as a set, V8 keeps outgrown tables with all that ended long ago, which once
 * took twice the time of a whole write.
 *
 * @param miss Makes the error of a call that is given up.
 */
function createDeadlines(timeout: number, miss: (operation: string) => Error) {
  let ring: (Waiting | undefined)[] = Array.from({ length: 64 })
  /** Places count on without end; the ring holds those from `first` up to `next`. */
  let first = 0
  let next = 0
  let armed = false

  function arm(delay: number): void {
    armed = true
    // After a stall of this process the answers may lie there unread: they are taken in before anybody is refused.
    setTimeout(() => setImmediate(expire), delay).unref()
  }

  function expire(): void {
    armed = false
    while (first < next) {
      const place = first & (ring.length - 1)
      const call = ring[place]
      const remaining = call ? call.at - performance.now() : 0
      if (remaining > 0) {
        arm(remaining)
        return
      }
      ring[place] = undefined
      first++
      call?.reject(miss(call.operation))
    }
  }

  function grow(): void {
    const larger: typeof ring = Array.from({ length: 2 * ring.length })
    for (let place = first; place < next; place++) {
      larger[place & (larger.length - 1)] = ring[place & (ring.length - 1)]
    }
    ring = larger
  }

  return {
    /** @returns The place of the call. */
    add(operation: string, reject: (error: Error) => void): number {
      if (next - first === ring.length) grow()
      ring[next & (ring.length - 1)] = { at: performance.now() + timeout, operation, reject }
      if (!armed) arm(timeout)
      return next++
    },
    /** Whether the call at this place was still waited for. */
    end(place: number): boolean {
      if (place < first || !ring[place & (ring.length - 1)]) return false
      ring[place & (ring.length - 1)] = undefined
      while (first < next && !ring[first & (ring.length - 1)]) first++
      return true
    },
  }
}
