/**
 * Lets writes of one turn of the event loop share a round trip.
 *
 * @module
 */

/** Options of {@link createWriteBatch}. */
export interface WriteBatchOptions {
  /**
   * Most writes in one round trip; more of them make several.
   *
   * @default 64
   */
  readonly limit?: number
}

interface Waiting<Write, Answer> {
  readonly write: Write
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/**
 * Creates a function that sends one write, and does so together with the others of the same turn.
 *
 * @param send Sends several writes in their order, and gives an answer or an error for each. When it rejects, each of them
 * does. `since` is when the first of them was asked for, by `performance.now()`.
 */
export function createWriteBatch<Write, Answer>(
  send: (writes: readonly Write[], since: number) => Promise<readonly (Answer | Error)[]>,
  { limit = 64 }: WriteBatchOptions = {},
): (write: Write) => Promise<Answer> {
  let waiting: Waiting<Write, Answer>[] = []
  let since = 0

  function flush(): void {
    const batch = waiting
    waiting = []
    for (let start = 0; start < batch.length; start += limit) void sendAll(batch.slice(start, start + limit))
  }

  async function sendAll(batch: readonly Waiting<Write, Answer>[]): Promise<void> {
    try {
      const answers = await send(
        batch.map(({ write }) => write),
        since,
      )
      for (const [index, { resolve, reject }] of batch.entries()) {
        const answer = answers[index] as Answer | Error
        if (answer instanceof Error) reject(answer)
        else resolve(answer)
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  return (write) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) {
        since = performance.now()
        // As for reads: the next immediate comes when all requests that have arrived were called.
        setImmediate(flush)
      }
      waiting.push({ write, resolve, reject })
    })
}
