/**
 * A store with a deadline on every call and a circuit breaker in front, so that nobody waits for one that is away.
 *
 * @module
 */

import { circuitBreaker, CircuitState, ConsecutiveBreaker, handleType, isBrokenCircuitError } from 'cockatiel'
import {
  CorruptRecordError,
  type IndexedSessionStore,
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
/** One probe is let through this often; milliseconds. */
const PROBE_INTERVAL = 250

/**
 * Wraps a store. Whatever goes wrong in it becomes a {@link StoreUnavailableError} with its `cause`, but for
 * {@link CorruptRecordError}, which is an answer.
 */
export function guardStore<Store extends SessionStore | IndexedSessionStore>(
  store: Store,
  options: StoreGuardOptions,
): Store {
  const { timeout, onDown, onUp } = options
  const deadlines = createDeadlines(timeout)
  const breaker = circuitBreaker(handleType(StoreUnavailableError), {
    halfOpenAfter: PROBE_INTERVAL,
    breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
  })
  let downSince: number | undefined
  breaker.onBreak((reason) => {
    if (downSince === undefined) onDown('error' in reason ? reason.error : undefined)
    downSince ??= performance.now()
  })
  breaker.onStateChange((state) => {
    if (state !== CircuitState.Closed || downSince === undefined) return
    onUp(Math.round(performance.now() - downSince))
    downSince = undefined
  })

  async function run<Result>(operation: string, call: () => Promise<Result>): Promise<Result> {
    try {
      return await breaker.execute(() => attempt(operation, call))
    } catch (error) {
      if (!isBrokenCircuitError(error)) throw error
      throw new StoreUnavailableError(
        `Cannot ${operation} as the ${store.name} store has just failed repeatedly`,
        {
          cause: error,
        },
      )
    }
  }

  async function attempt<Result>(operation: string, call: () => Promise<Result>): Promise<Result> {
    try {
      return await deadlines.watch(call, () => {
        return new StoreUnavailableError(
          `Cannot ${operation} as the ${store.name} store gave no answer in ${timeout} ms`,
        )
      })
    } catch (error) {
      if (error instanceof StoreUnavailableError || error instanceof CorruptRecordError) throw error
      throw new StoreUnavailableError(`Cannot ${operation} as the ${store.name} store failed`, {
        cause: error,
      })
    }
  }

  const guarded: SessionStore = {
    name: store.name,
    create: (key, record) => run('create a session', () => store.create(key, record)),
    read: (key) => run('read a session', () => store.read(key)),
    write: (key, version, record) => run('write a session', () => store.write(key, version, record)),
    touch: (key, lastSeenAt, expiresAt) =>
      run('touch a session', () => store.touch(key, lastSeenAt, expiresAt)),
    delete: (key) => run('delete a session', () => store.delete(key)),
    quarantine: (key) => run('set a corrupt record aside', () => store.quarantine(key)),
    ...(store.now && { now: () => run('ask for the time', () => (store.now as () => Promise<number>)()) }),
    ...(store.sweep && {
      sweep: (limit: number) =>
        run('sweep', () => (store.sweep as NonNullable<SessionStore['sweep']>)(limit)),
    }),
    ...(store.onEvict && { onEvict: store.onEvict.bind(store) }),
    ...('list' in store && {
      list: (principal: string) => run("list a user's sessions", () => store.list(principal)),
    }),
  }
  return guarded as Store
}

interface Pending {
  readonly at: number
  readonly expire: () => void
}

/** One timer for all calls under way: they have the same timeout, so they end in the order in which they began. */
function createDeadlines(timeout: number): {
  watch<Result>(call: () => Promise<Result>, onTimeout: () => Error): Promise<Result>
} {
  const pending = new Set<Pending>()
  let timer: NodeJS.Timeout | undefined

  function arm(delay: number): void {
    // After a stall of this process the answers may lie there unread: they are taken in before anybody is refused.
    timer = setTimeout(() => setImmediate(expire), delay)
  }

  function expire(): void {
    timer = undefined
    for (const call of pending) {
      const remaining = call.at - performance.now()
      if (remaining > 0) {
        arm(remaining)
        return
      }
      pending.delete(call)
      call.expire()
    }
  }

  return {
    watch(call, onTimeout) {
      return new Promise((resolve, reject) => {
        const entry: Pending = { at: performance.now() + timeout, expire: () => reject(onTimeout()) }
        pending.add(entry)
        if (!timer) arm(timeout)
        const settle = (): void => {
          pending.delete(entry)
          if (pending.size === 0 && timer) {
            clearTimeout(timer)
            timer = undefined
          }
        }
        call().then(
          (result) => {
            settle()
            resolve(result)
          },
          (error: Error) => {
            settle()
            reject(error)
          },
        )
      })
    },
  }
}
