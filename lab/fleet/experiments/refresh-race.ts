/**
 * F19: one refresh token is presented by many at once, again within the grace, and by a thief.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'libsql'
import type { Fleet } from '../protocol.ts'
import { REFRESH_TABLE, TOKENS_FILE } from '../server-tokens.ts'
import { strategies } from '../strategies.ts'
import { type Answer, type Browser, createBrowser } from '../traffic/browser.ts'
import { type HeldTokens, readTokens } from '../traffic/token-holder.ts'
import { createVisitor, type Visitor } from '../traffic/visitor.ts'
import { createSessionAddress } from './addresses.ts'
import { arrive } from './arrive.ts'
import {
  exchangeLogin,
  getTokensFolder,
  listAddresses,
  presentRefreshToken,
  REFRESH_PATH,
  showToken,
  TOKEN_BOUND,
} from './bearer-clients.ts'
import { createExperiment, type ExperimentContext } from './experiment.ts'

/** Parallel presenters of one token. */
const PRESENTERS = 20

/** How long the token before the good one is answered with the good one, in milliseconds. */
const GRACE = 30_000

/** Tabs that share one refresh token, as those of one browser do. */
const TABS = 4

const BROWSERS = 6

/** Part of the answers that never arrive. */
const DROPPED = 0.3

const oneTip = {
  en: 'Twenty parallel refreshes make one step and get one successor, tabs are never taken for thieves, and a thief ends the login within 2 s.',
  ko: '동시 갱신 20개는 한 단계만 나아가고 같은 토큰을 받으며, 여러 탭을 도둑으로 오해하지 않고, 도난된 토큰은 2초 안에 로그인을 끝냅니다.',
}

/** The experiment. */
export const refreshRace = createExperiment({
  name: 'F19',
  title: { en: 'Refresh in parallel, replay, steal', ko: '동시 갱신, 재사용, 도난' },
  promises: Object.fromEntries(strategies.map(({ name }) => [name, oneTip])),
  async measure(context) {
    const { fleet, short, log } = context
    const getOrigin = createSessionAddress(fleet)
    const visitor = createVisitor(getOrigin, { username: mintName() })
    const counts: Counts = {
      races: 0,
      steps: 0,
      successors: 0,
      refused: 0,
      replays: 0,
      replay_writes: 0,
      thefts: 0,
      thefts_found: 0,
      accepted_late: 0,
      last_accepted_ms: 0,
    }
    try {
      await arrive(visitor)
      for (let race = 0; race < (short ? 5 : 25); race++) await runRace(fleet, visitor, counts)
      log('thieves')
      await Promise.all(
        Array.from({ length: short ? 3 : 10 }, (_, index) =>
          steal(fleet, counts, index === 9 ? 'late' : 'old'),
        ),
      )
      log('tabs')
      const tabs = await useTabs(context, visitor, (context.seconds ?? (short ? 5 : 20)) * 1_000)
      const perfect =
        counts.steps === counts.races && counts.successors === counts.races && counts.refused === 0
      return {
        measured: { ...counts, ...tabs },
        met:
          perfect &&
          counts.replay_writes + counts.accepted_late + tabs.false_alarms === 0 &&
          counts.thefts_found === counts.thefts &&
          tabs.refreshes > 10,
      }
    } finally {
      await visitor.close()
    }
  },
})

let names = 0

function mintName(): string {
  return `refresh-${Date.now().toString(36)}-${(names += 1)}`
}

type Counts = Record<
  | 'races'
  | 'steps'
  /** Different tokens that the presenters of all races got. One for each race. */
  | 'successors'
  | 'refused'
  | 'replays'
  /** Records that replays within the grace have changed. */
  | 'replay_writes'
  | 'thefts'
  | 'thefts_found'
  /** Answers that accepted an access token of the login later than the bound after the theft was found. */
  | 'accepted_late'
  | 'last_accepted_ms',
  number
>

async function runRace(fleet: Fleet, visitor: Visitor, counts: Counts): Promise<void> {
  const { refreshToken } = await exchangeLogin(visitor)
  const browsers = Array.from({ length: PRESENTERS }, () => createBrowser(() => fleet.shop))
  const servers = listAddresses(fleet)
  const present = () =>
    Promise.all(
      browsers.map((browser, index) =>
        presentRefreshToken(browser, refreshToken, servers[index % servers.length] ?? fleet.shop),
      ),
    )
  try {
    const before = readFamilies(fleet)
    const answers = await present()
    const after = readFamilies(fleet)
    counts.races++
    counts.steps += countChanges(before, after)
    counts.refused += answers.filter((answer) => answer?.status !== 200).length
    const [first] = successorsOf(answers)
    counts.successors += successorsOf(answers).size

    const replayed = await present()
    counts.replays += PRESENTERS
    counts.replay_writes += countChanges(after, readFamilies(fleet))
    counts.refused += replayed.filter((answer) => answer?.status !== 200).length
    const others = [...successorsOf(replayed)].filter((successor) => successor !== first)
    counts.successors += others.length
  } finally {
    await Promise.all(browsers.map((browser) => browser.close()))
  }
}

function successorsOf(answers: readonly (Answer | undefined)[]): ReadonlySet<string> {
  return new Set(answers.flatMap((answer) => (answer && readTokens(answer)?.refreshToken) || []))
}

/** Versions of all families of refresh tokens, by their keys. */
function readFamilies(fleet: Fleet): ReadonlyMap<string, number> {
  const database = new Database(join(getTokensFolder(fleet), TOKENS_FILE), { timeout: 5_000 })
  try {
    const rows = database.prepare(`SELECT key, version FROM ${REFRESH_TABLE}`).all() as readonly {
      readonly key: string
      readonly version: number
    }[]
    return new Map(rows.map(({ key, version }) => [key, version]))
  } finally {
    database.close()
  }
}

/** How many steps lie between two readings. */
function countChanges(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  return [...after].reduce((sum, [key, version]) => sum + version - (before.get(key) ?? 0), 0)
}

/** A thief shows a token that its owner has used already: long ago by steps, or the one before after the grace. */
async function steal(fleet: Fleet, counts: Counts, age: 'old' | 'late'): Promise<void> {
  // A login of its own: all tokens of a login end with the one that was stolen.
  const visitor = createVisitor(createSessionAddress(fleet), { username: mintName() })
  const browser = createBrowser(() => fleet.shop)
  const servers = listAddresses(fleet)
  const origin = (index: number) => servers[index % servers.length] ?? fleet.shop
  const refresh = async (token: string, index: number) => {
    const answer = await presentRefreshToken(browser, token, origin(index))
    return { answer, tokens: answer?.status === 200 ? readTokens(answer) : undefined }
  }
  try {
    await arrive(visitor)
    const first = await exchangeLogin(visitor)
    let newest: HeldTokens | undefined = first
    for (let step = 0; step < (age === 'old' ? 2 : 1) && newest; step++) {
      newest = (await refresh(newest.refreshToken, step)).tokens
    }
    if (!newest) throw new Error('Cannot go on with an experiment: the shop refuses a refresh token')
    if (age === 'late') await delay(GRACE + 500)
    counts.thefts++
    const thief = await refresh(first.refreshToken, 2)
    const foundAt = performance.now()
    const owner = await refresh(newest.refreshToken, 0)
    if (thief.answer?.status === 401 && owner.answer?.status === 401) counts.thefts_found++
    await watchDeath(browser, newest.accessToken, servers, foundAt, counts)
  } finally {
    await Promise.all([browser.close(), visitor.close()])
  }
}

/** Shows an access token until well after the bound, to every server. */
async function watchDeath(
  browser: Browser,
  token: string,
  servers: readonly string[],
  foundAt: number,
  counts: Counts,
): Promise<void> {
  await Promise.all(
    servers.map(async (server) => {
      while (performance.now() < foundAt + TOKEN_BOUND + 500) {
        const answer = await showToken(browser, token, server)
        const late = (answer?.startedAt ?? 0) - foundAt
        if (answer?.status === 200) {
          counts.last_accepted_ms = Math.max(counts.last_accepted_ms, Math.round(late))
          counts.accepted_late += Number(late > TOKEN_BOUND)
        }
        await delay(50)
      }
    }),
  )
}

/**
 * Tabs of several browsers, whose token expires for all of them at once, and which lose some answers.
 *
 * Of one browser, no refresh spans two steps of the others: in practice minutes lie between them.
 */
async function useTabs({ fleet }: ExperimentContext, visitor: Visitor, duration: number) {
  const counts = { refreshes: 0, dropped_answers: 0, false_alarms: 0, tabs: 0 }
  const until = performance.now() + duration
  const servers = listAddresses(fleet)

  async function refresh(browser: Browser, refreshToken: string): Promise<string | undefined> {
    await delay(Math.random() * 40)
    const origin = servers[Math.floor(Math.random() * servers.length)] ?? fleet.shop
    if (Math.random() < DROPPED) {
      const dropAfter = 5 + Math.random() * 30
      await browser.request('POST', REFRESH_PATH, { body: { refreshToken }, cookie: '', origin, dropAfter })
      counts.dropped_answers++
      return undefined
    }
    const answer = await presentRefreshToken(browser, refreshToken, origin)
    counts.refreshes++
    if (answer?.status === 401) counts.false_alarms++
    return answer?.status === 200 ? readTokens(answer)?.refreshToken : undefined
  }

  async function useBrowser(): Promise<void> {
    let { refreshToken } = await exchangeLogin(visitor)
    const browser = createBrowser(() => fleet.shop)
    counts.tabs += TABS
    while (performance.now() < until) {
      await delay(300 + Math.random() * 400)
      const got = await Promise.all(Array.from({ length: TABS }, () => refresh(browser, refreshToken)))
      // When all answers were lost, it shows the old one again.
      refreshToken = got.find((token) => token !== undefined) ?? refreshToken
    }
    await browser.close()
  }

  await Promise.all(Array.from({ length: BROWSERS }, useBrowser))
  return counts
}
