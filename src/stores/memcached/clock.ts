/**
 * The clock of the servers, as far as they tell it: in whole seconds, and up to a second late.
 *
 * @module
 */

import type { MemcachedNode } from '../memcached.ts'

/** Milliseconds by which a server's clock may be ahead of the second that it tells: the second itself, and its tick. */
const RESOLUTION = 2_000

/** A clock that agrees with the servers' as closely as they tell it. */
export interface NodeClock {
  /** Current time, in milliseconds since the Unix epoch. */
  readonly now: () => number
  /** Asks the servers that can be reached, and corrects itself where they contradict it. */
  readonly sync: () => Promise<number>
}

/**
 * Creates a clock.
 *
 * It is the local one, to the millisecond, until most servers say that it is wrong by more than they can tell; then it
 * is moved to the middle of what they say, which is right to about a second, and stays there until they contradict it again.
 *
 * @param local Local clock, in milliseconds since the Unix epoch.
 */
export function createNodeClock(nodes: readonly MemcachedNode[], local: () => number): NodeClock {
  let offset = 0
  const now = () => local() + offset

  async function ask(node: MemcachedNode): Promise<number> {
    const askedAt = now()
    const told = Number((await node.stats()).get('time')) * 1_000
    const answeredAt = now()
    if (!Number.isFinite(told)) return 0
    if (answeredAt >= told && askedAt <= told + RESOLUTION) return 0
    return told + RESOLUTION / 2 - (askedAt + answeredAt) / 2
  }

  return {
    now,
    async sync() {
      const answers = await Promise.allSettled(nodes.map(ask))
      const wrong = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
      const refused = answers.find((answer) => answer.status === 'rejected')
      if (wrong.length === 0 && refused) throw refused.reason
      offset += median(wrong)
      return now()
    },
  }
}

/** The lower middle: of two servers that disagree, the one closer to this process's clock, if that is one of them. */
function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => Math.abs(a) - Math.abs(b))
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
}
