/**
 * Virtual visitors that register, log in, shop, and say at every look whether the shop still knows them.
 *
 * @module
 */

import type { TrafficSettings, TrafficState } from '../protocol.ts'
import { createShoppers, type ShoppersOptions } from './shoppers.ts'

/** Most visitors that one lab carries. */
export const MAX_VISITORS = 500

/** Most requests per second that one lab carries. */
export const MAX_RATE = 2_000

/** Virtual visitors at work. */
export interface Traffic {
  /**
   * Lets visitors come or leave, changes their pace, or both; what is not given stays. During a pause, it is kept for
   * its end.
   *
   * @throws {RangeError} When a number is outside its bounds: {@link MAX_VISITORS}, {@link MAX_RATE}.
   */
  set(settings: Partial<TrafficSettings>): void
  state(): TrafficState
  /** Sends everybody home and forgets their figures. Resolves when nothing of theirs is under way. */
  pause(): Promise<void>
  /** Ends a pause with new visitors, who have never been to the shop. */
  resume(): void
  close(): Promise<void>
}

/**
 * Creates traffic of no visitors yet.
 *
 * @param getShopUrl Address of the shop, asked anew for every request.
 */
export function createTraffic(getShopUrl: () => string, options: ShoppersOptions = {}): Traffic {
  let settings: TrafficSettings = { visitors: 0, rate: 0 }
  let shoppers = createShoppers(getShopUrl, options)
  let paused = false

  return {
    set(change) {
      const next = { ...settings, ...change }
      checkBounds(next)
      settings = next
      if (!paused) shoppers.set(settings)
    },
    state: () => ({ ...shoppers.state(), ...settings }),
    async pause() {
      paused = true
      const leaving = shoppers
      shoppers = createShoppers(getShopUrl, options)
      await leaving.close()
    },
    resume() {
      paused = false
      shoppers.set(settings)
    },
    close: () => shoppers.close(),
  }
}

function checkBounds({ visitors, rate }: TrafficSettings): void {
  if (!Number.isInteger(visitors) || visitors < 0 || visitors > MAX_VISITORS) {
    throw new RangeError(
      `Cannot set traffic as visitors must be an integer from 0 to ${MAX_VISITORS}: received ${visitors}`,
    )
  }
  if (!(rate >= 0 && rate <= MAX_RATE)) {
    throw new RangeError(`Cannot set traffic as rate must be from 0 to ${MAX_RATE}: received ${rate}`)
  }
}
