/**
 * Visitors that log out while something is broken, and whether their cookies work again afterwards.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet } from '../protocol.ts'
import type { Visitor } from '../traffic/visitor.ts'

/**
 * Logs visitors out, and resolves to the cookies of those whose logout was acknowledged.
 *
 * A request that meets the fault fails; then the visitor asks again, as people do.
 */
export async function leave(visitors: readonly Visitor[]): Promise<ReadonlyMap<Visitor, string>> {
  const cookies = new Map<Visitor, string>()
  await Promise.all(
    visitors.map(async (visitor) => {
      const cookie = visitor.jar.header() ?? ''
      for (let attempt = 0; attempt < 10; attempt++) {
        const answer = await visitor.logout()
        if (answer?.status === 204) return cookies.set(visitor, cookie)
        await delay(300)
      }
      return undefined
    }),
  )
  return cookies
}

/** Sends the cookies of those who have left to every server, and resolves to those that are known there. */
export async function findReturned(
  fleet: Fleet,
  leavers: ReadonlyMap<Visitor, string>,
): Promise<ReadonlySet<Visitor>> {
  const returned = new Set<Visitor>()
  for (const [visitor, cookie] of leavers) {
    const sights = await Promise.all(
      fleet.state().servers.map(({ url }) => visitor.me({ cookie, origin: url })),
    )
    if (sights.includes('known')) returned.add(visitor)
  }
  return returned
}
