/**
 * Turns of statements on the connections that a pool of `pg` has.
 *
 * The pool itself ties each statement that finds no connection free to a new one. After a standstill of the server that one may
 * stand behind hundreds of others, while those that are there answer at once.
 *
 * @module
 */

/** The parts of a `Pool` of `pg` that are used. */
export interface CountedPool {
  readonly totalCount: number
  readonly options: { readonly max: number }
  connect(): Promise<{ release(): void }>
}

interface Waiting {
  /** When it began to wait, by `performance.now()`. */
  readonly since: number
  readonly start: () => void
  readonly reject: (error: unknown) => void
}

/** An attempt that failed sooner, in milliseconds, was refused: the next statement makes another, and nobody before. */
const REFUSAL = 250

/** Whether a client is a pool with several connections. */
export function isCountedPool(client: object): client is CountedPool {
  const { options } = client as Partial<CountedPool>
  return 'totalCount' in client && 'connect' in client && (options?.max ?? 0) > 1
}

/**
 * Creates the function that runs statements: each takes the first connection that becomes free, while the pool opens more in the
 * background, one at a time, as long as somebody waits.
 *
 * @param patience How long a statement waits for a connection at least before it is refused, in milliseconds. It is only looked at
 * when an attempt to connect has failed; with no connection at all, that refuses everybody who waits.
 */
export function createPoolTurns(
  pool: CountedPool,
  patience: number,
): <Result>(call: () => Promise<Result>) => Promise<Result> {
  let waiting: Waiting[] = []
  /** Connections that have been there, less those on which something failed. */
  let proven = 0
  let running = 0
  let isConnecting = false

  function advance(): void {
    // The pool ends connections by itself, such as those that were idle for long.
    proven = Math.min(proven, pool.totalCount)
    while (running < proven) {
      const next = waiting.shift()
      if (!next) return
      running += 1
      next.start()
    }
    if (waiting.length > 0 && !isConnecting && proven < pool.options.max) void connect()
  }

  async function connect(): Promise<void> {
    const startedAt = performance.now()
    isConnecting = true
    try {
      const connection = await pool.connect()
      connection.release()
      proven += 1
      isConnecting = false
      advance()
    } catch (error) {
      isConnecting = false
      const failedAt = performance.now()
      proven = Math.min(proven, pool.totalCount)
      const refused = waiting.filter(({ since }) => proven === 0 || failedAt - since >= patience)
      waiting = waiting.filter((statement) => !refused.includes(statement))
      for (const { reject } of refused) reject(error)
      if (failedAt - startedAt >= REFUSAL) advance()
    }
  }

  function end(hasFailed: boolean): void {
    running -= 1
    // The pool ends a connection on which a statement has failed.
    if (hasFailed) proven = Math.max(0, proven - 1)
    advance()
  }

  return (call) =>
    new Promise((resolve, reject) => {
      const start = () => {
        call().then(
          (result) => {
            end(false)
            resolve(result)
          },
          (error: unknown) => {
            end(true)
            reject(error)
          },
        )
      }
      waiting.push({ since: performance.now(), start, reject })
      advance()
    })
}
