/**
 * F11: fifty clients write to one session at the same time; then two hundred items are added at once.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import { type Browser, createBrowser } from '../traffic/browser.ts'
import { createVisitor, readCart } from '../traffic/visitor.ts'
import { createSessionAddress } from './addresses.ts'
import { arrive } from './arrive.ts'
import { createExperiment } from './experiment.ts'
import { promiseTo } from './strategy-groups.ts'

const WRITERS = 50
const ADDITIONS = 200

const nothingLost = {
  en: 'Fifty parallel writers and two hundred parallel additions: none is lost.',
  ko: '동시에 쓰는 50개와 동시에 추가한 상품 200개 중 하나도 사라지지 않습니다.',
}

/** What became of the additions. */
export interface WritersReport {
  readonly additions: number
  readonly acked: number
  /** Answered with 503. */
  readonly refused: number
  /** Acknowledged and not in the cart afterwards. */
  readonly lost_updates: number
  /** In the cart afterwards, of all additions. */
  readonly kept: number
  readonly doubled: number
  readonly cross_user: number
  /** Servers that took part. */
  readonly servers: number
}

/** The experiment. */
export const parallelWriters = createExperiment({
  name: 'F11',
  title: { en: 'Parallel writers of one session', ko: '한 세션에 동시에 쓰기' },
  promises: promiseTo({ memory: nothingLost, sticky: nothingLost, shared: nothingLost }),
  async measure({ fleet, bound }) {
    const measured = await measureParallelWriters(createSessionAddress(fleet), bound)
    const { additions, kept, lost_updates: lost, doubled, cross_user: crossed } = measured
    return { measured: { ...measured }, met: kept === additions && lost + doubled + crossed === 0 }
  },
})

/**
 * Lets fifty browsers with one cookie write as fast as they can.
 *
 * @param bound How long the owner, who has not written itself, may be shown an older cart, in milliseconds.
 */
export async function measureParallelWriters(getOrigin: () => string, bound = 0): Promise<WritersReport> {
  const owner = createVisitor(getOrigin, { username: `writer-${Date.now().toString(36)}` })
  const browsers = Array.from({ length: WRITERS }, () => createBrowser(getOrigin, { timeout: 30_000 }))
  const acked: string[] = []
  let refused = 0
  const servers = new Set<string | undefined>()
  try {
    await arrive(owner)
    const cookie = owner.jar.header() ?? ''
    const add = async (browser: Browser, item: string, html = false) => {
      const answer = await browser.request('POST', '/cart', { body: { item }, cookie, html })
      if (answer?.status === 503) refused++
      if (answer?.status !== (html ? 303 : 200)) return
      acked.push(item)
      servers.add(answer.server)
    }

    // Those that want pages also leave a notice for the next one, in a key of its own.
    await Promise.all(browsers.map((browser, index) => add(browser, `writer ${index}`, index % 2 === 0)))
    await Promise.all(
      Array.from({ length: ADDITIONS }, (_, index) =>
        add(browsers[index % WRITERS] as Browser, `addition ${index}`),
      ),
    )

    await delay(bound)
    const answer = await owner.request('GET', '/cart')
    const cart = readCart(answer?.body) ?? []
    const kept = new Set(cart)
    return {
      additions: WRITERS + ADDITIONS,
      acked: acked.length,
      refused,
      lost_updates: acked.filter((item) => !kept.has(item)).length,
      kept: kept.size,
      doubled: cart.length - kept.size,
      cross_user: (await owner.me()) === 'crossed' ? 1 : 0,
      servers: servers.size,
    }
  } finally {
    await Promise.all([owner, ...browsers].map((browser) => browser.close()))
  }
}
