/**
 * The figure of the lab: of the logins that were acknowledged, how many are still known, and who lost the others.
 *
 * @module
 */

import type { TrafficState } from '../../../fleet/protocol.ts'

/** One stretch of the bar. */
export interface KeptSegment {
  /** Server that had acknowledged the lost logins; `undefined` where nobody is known, and for kept logins. */
  readonly server: string | undefined
  readonly kind: 'kept' | 'lost'
  readonly count: number
}

/** Cuts the acknowledged logins into stretches: the kept, then the lost by server. The counts add up to `loggedIn`. */
export function keptSegments({ loggedIn, kept, lostByServer }: TrafficState): readonly KeptSegment[] {
  const segments: KeptSegment[] = []
  if (kept > 0) segments.push({ server: undefined, kind: 'kept', count: Math.min(kept, loggedIn) })
  let rest = Math.max(0, loggedIn - kept)
  for (const server of Object.keys(lostByServer).toSorted()) {
    const count = Math.min(rest, lostByServer[server] ?? 0)
    if (count > 0) segments.push({ server, kind: 'lost', count })
    rest -= count
  }
  if (rest > 0) segments.push({ server: undefined, kind: 'lost', count: rest })
  return segments
}
