/**
 * How often a login is not recognized, asked with the same cookie again and again.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Sight, Visitor } from '../traffic/visitor.ts'

/** How a number of looks went. */
export interface StrangerCount {
  readonly looks: number
  readonly strangers: number
  readonly crossed: number
}

/**
 * Sends the visitors' present cookies a number of times each. What the answers set is ignored: on a strategy that
 * loses logins, the first loss would otherwise overwrite the cookie, and every later look with it.
 */
export async function countStrangers(
  visitors: readonly Visitor[],
  looks: number,
  getOrigin?: () => string,
): Promise<StrangerCount> {
  const counts = { looks: 0, strangers: 0, crossed: 0 }
  await Promise.all(
    visitors.map(async (visitor) => {
      const cookie = visitor.jar.header() ?? ''
      for (let look = 0; look < looks; look++) {
        const sight = await visitor.me({ cookie, ...(getOrigin && { origin: getOrigin() }) })
        if (sight === 'unclear') continue
        counts.looks++
        if (sight === 'stranger') counts.strangers++
        if (sight === 'crossed') counts.crossed++
      }
    }),
  )
  return counts
}

/** Part of the looks that met a stranger, in percent; 0 when there were no looks. */
export function toPercent({ looks, strangers }: StrangerCount): number {
  return looks === 0 ? 0 : Math.round((strangers / looks) * 100)
}

/** Whether about two thirds of the looks met strangers: what is to be expected of three servers that share nothing. */
export function isAboutTwoThirds(percent: number): boolean {
  return percent >= 50 && percent <= 85
}

/** Looks at a visitor until there is a clear answer, at most ten times within about two seconds. */
export async function lookClearly(visitor: Visitor): Promise<Sight> {
  for (let attempt = 1; ; attempt++) {
    const sight = await visitor.me()
    if (sight !== 'unclear' || attempt === 10) return sight
    await delay(200)
  }
}

/** Looks at all visitors, and counts those who are strangers or get no clear answer, by the server of their login. */
export async function findLost(visitors: readonly Visitor[]): Promise<ReadonlyMap<string, number>> {
  const lost = new Map<string, number>()
  await Promise.all(
    visitors.map(async (visitor) => {
      const { loginServer = '' } = visitor
      const sight = await lookClearly(visitor)
      if (sight !== 'known') lost.set(loginServer, (lost.get(loginServer) ?? 0) + 1)
    }),
  )
  return lost
}
