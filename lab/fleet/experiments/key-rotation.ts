/**
 * F16: the keys of tokens change while requests run, and one of them is said to have leaked.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { KeyInfo, KeyStore } from 'coatcheck/tokens'
import type { Fleet } from '../protocol.ts'
import { addSecret, openFleetKeys, promoteSecret } from '../server-tokens.ts'
import { strategies } from '../strategies.ts'
import { createBrowser } from '../traffic/browser.ts'
import type { Visitor } from '../traffic/visitor.ts'
import { exchangeLogin, getTokensFolder, listAddresses, showToken, TOKEN_BOUND } from './bearer-clients.ts'
import { createCrowd } from './crowd.ts'
import { createExperiment, type ExperimentContext, restart } from './experiment.ts'
import { isStateless } from './strategy-groups.ts'

/** How often servers look at the keys, and a little for the way, in milliseconds. */
const PICK_UP = 2_500

/** Steps of a rotation come this quickly one after the other: not before every server knows the last one. */
const SCHEDULE = { rotateEvery: PICK_UP, announceFor: PICK_UP, overlap: '1h' } as const

const nobodyNotices = {
  en: 'Rotating the keys refuses no request and logs nobody out. A key that is retired is refused by every server within 2 s.',
  ko: '키를 교체해도 거부되는 요청과 로그아웃되는 사람이 없습니다. 폐기한 키는 2초 안에 모든 서버가 거부합니다.',
}

/** The experiment. */
export const keyRotation = createExperiment({
  name: 'F16',
  title: { en: 'Rotate keys under load', ko: '부하 중에 키 교체' },
  // Where any server may be asked, and knows nobody, there is no load to keep logged in.
  promises: Object.fromEntries(
    strategies.filter(({ name }) => name !== 'memory').map(({ name }) => [name, nobodyNotices]),
  ),
  async measure(context) {
    const { fleet, short, log } = context
    const crowd = createCrowd(() => fleet.shop, { size: 8, cartLimit: 30 })
    // Others than those who shop: of two parallel requests with one sealed cookie, the later answer wins.
    const holders = createCrowd(() => fleet.shop, { size: 6 })
    const clients = createBearerClients(fleet)
    let keys: KeyStore | undefined
    try {
      await Promise.all([crowd.enter(), holders.enter()])
      crowd.start()
      const secrets = isStateless(context.strategy) && !short ? await rotateSecrets(context) : 0
      keys = await openFleetKeys(getTokensFolder(fleet), { ...SCHEDULE, interval: '1d' })
      clients.start(holders.visitors)
      const wanted = short ? 1 : 3
      const rotations = await rotate(keys, wanted, log)
      log('a key has leaked')
      const leaked = signingKey(keys)
      // The clients go on with what they hold: tokens of the leaked key, which every server has seen and remembers.
      const retired = await measureRetirement(fleet, keys, leaked, await clients.renew(holders.visitors))
      await crowd.stop()
      await crowd.verify()
      const { acked_logins: logins, acked_lost: lost, cross_user: crossed } = crowd.figures()
      const { held, shown, refused, unanswered } = clients.figures()
      return {
        measured: {
          rotations,
          secrets_rotated: secrets,
          tokens_held: held,
          tokens_shown: shown,
          refused,
          unanswered,
          acked_logins: logins,
          forced_logout: Math.round((lost / logins) * 100),
          acked_lost: lost,
          cross_user: crossed,
          ...retired,
        },
        met:
          shown > 100 &&
          rotations === wanted &&
          refused + lost + crossed + retired.accepted_late === 0 &&
          retired.refused_after_ms <= TOKEN_BOUND &&
          retired.retired_accepted_before > 0,
      }
    } finally {
      keys?.close()
      await clients.close()
      await Promise.all([crowd.close(), holders.close()])
    }
  },
})

/** Lets the keys go round a number of times. */
async function rotate(keys: KeyStore, times: number, log: (text: string) => void): Promise<number> {
  let signing = signingKey(keys)
  let done = 0
  const deadline = performance.now() + times * 30_000
  while (done < times && performance.now() < deadline) {
    await delay(250)
    await keys.sync()
    const now = signingKey(keys)
    if (now === signing) continue
    signing = now
    done++
    log(`key ${done} signs`)
  }
  // Everybody signs with the newest before anything else happens.
  await delay(PICK_UP)
  return done
}

function signingKey({ keys }: KeyStore): string {
  const isSigning = ({ state }: KeyInfo) => state === 'signing'
  return keys.keys().find(isSigning)?.kid ?? ''
}

/** Changes the secret that seals cookies, makes refresh tokens and encrypts keys: known everywhere, then used. */
async function rotateSecrets({ fleet, log }: ExperimentContext): Promise<number> {
  const folder = getTokensFolder(fleet)
  for (const step of [addSecret, promoteSecret]) {
    log(step === addSecret ? 'a new secret, known to all' : 'the new secret is used')
    await step(folder)
    for (const { id } of fleet.state().servers) {
      await fleet.act(id, 'drain')
      await delay(200)
      await restart(fleet, id)
    }
  }
  return 1
}

interface Retirement {
  /** Answers that accepted the key's tokens right before it was retired. */
  readonly retired_accepted_before: number
  /** Time from the order until no server accepted its tokens any more, in milliseconds. */
  readonly refused_after_ms: number
  /** Answers that accepted one later than the bound. */
  readonly accepted_late: number
}

async function measureRetirement(
  fleet: Fleet,
  keys: KeyStore,
  kid: string,
  tokens: readonly string[],
): Promise<Retirement> {
  const browser = createBrowser(() => fleet.shop)
  const servers = listAddresses(fleet)
  const counts = { before: 0, lastAccepted: 0, late: 0 }
  const ask = async (origin: string) => {
    const answers = await Promise.all(tokens.map((token) => showToken(browser, token, origin)))
    return answers.filter((answer) => answer?.status === 200)
  }
  try {
    for (const origin of servers) counts.before += (await ask(origin)).length
    await keys.retire(kid)
    const retiredAt = performance.now()
    await Promise.all(
      servers.map(async (origin) => {
        while (performance.now() < retiredAt + TOKEN_BOUND + 1_000) {
          for (const answer of await ask(origin)) {
            const late = (answer?.startedAt ?? 0) - retiredAt
            counts.lastAccepted = Math.max(counts.lastAccepted, late)
            counts.late += Number(late > TOKEN_BOUND)
          }
          await delay(20)
        }
      }),
    )
    return {
      retired_accepted_before: counts.before,
      refused_after_ms: Math.round(counts.lastAccepted),
      accepted_late: counts.late,
    }
  } finally {
    await browser.close()
  }
}

/** Clients that show their tokens to every server in turn, as fast as is good for the machine. */
function createBearerClients(fleet: Fleet) {
  const browser = createBrowser(() => fleet.shop)
  const counts = { held: 0, shown: 0, refused: 0, unanswered: 0 }
  let running: Promise<void>[] = []
  const work = { goes: false }

  async function show(visitor: Visitor): Promise<void> {
    let renewedAt = -Infinity
    const own: string[] = []
    for (let turn = 0; work.goes; turn++) {
      // Now and then a token of the newest key, beside those that older keys signed.
      if (performance.now() - renewedAt > 1_000) {
        const tokens = await exchangeLogin(visitor).catch(() => undefined)
        if (tokens) own.push(tokens.accessToken)
        counts.held += Number(tokens !== undefined)
        renewedAt = performance.now()
      }
      const servers = listAddresses(fleet)
      const token = own[turn % own.length]
      const origin = servers[turn % servers.length]
      if (token !== undefined && origin !== undefined) count(await showToken(browser, token, origin))
      await delay(10)
    }
  }

  function count(answer: Awaited<ReturnType<typeof showToken>>): void {
    counts.shown++
    if (!answer) counts.unanswered++
    else if (answer.status !== 200) counts.refused++
  }

  return {
    start(visitors: readonly Visitor[]) {
      work.goes = true
      running = visitors.map(show)
    },
    /** Stops showing, and gives one new token of each login. */
    async renew(visitors: readonly Visitor[]): Promise<readonly string[]> {
      work.goes = false
      await Promise.all(running)
      const tokens = await Promise.all(visitors.map((visitor) => exchangeLogin(visitor)))
      return tokens.map(({ accessToken }) => accessToken)
    },
    figures: () => counts,
    async close() {
      work.goes = false
      await Promise.all(running)
      await browser.close()
    },
  }
}
