/**
 * Lets a Sentinel client of node-redis lend out one of its connections before it is asked for another.
 *
 * Up to 6.3 at least, commands that find the client idle each take a connection of its pool, and all but the last are never
 * given back: commands that wait for one then wait for ever. While it is busy, all share the one that it has taken.
 *
 * @module
 */

/** Has the client do something, and resolves to its answer. */
export type TakeTurn = <Answer>(send: () => Promise<Answer>) => Promise<Answer>

const turns = new WeakMap<object, TakeTurn>()

/** Gives the turns of a client, which all that use it share. */
export function turnsOf(client: object): TakeTurn {
  let own = turns.get(client)
  if (!own) {
    own = createTurns()
    turns.set(client, own)
  }
  return own
}

/**
 * Sends what was asked for in one turn of the event loop together.
 *
 * Between two turns no promise is half-way, so what is counted here is what the client has counted.
 */
function createTurns(): TakeTurn {
  const waiting: (() => void)[] = []
  let underWay = 0

  function begin(): void {
    // The first of all takes the connection; in the next turn the others find that it has one.
    const ready = waiting.splice(0, underWay === 0 ? 1 : waiting.length)
    for (const start of ready) start()
    if (waiting.length > 0) setImmediate(begin)
  }

  return (send) =>
    new Promise((resolve, reject) => {
      const start = (): void => {
        underWay++
        send()
          .then(resolve, reject)
          .finally(() => underWay--)
      }
      if (waiting.push(start) === 1) setImmediate(begin)
    })
}
