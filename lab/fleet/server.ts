/**
 * One server process of the shop.
 *
 * Its only argument is a {@link ServerConfig} as JSON. It reports to its parent over IPC, and ends when the parent does.
 *
 * @module
 */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSessions } from 'coatcheck'
import { createShop } from '../shop/shop.ts'
import type { ShopSession, ShopSessions } from '../shop/shop-session.ts'
import { migrateUserDatabase } from '../shop/users/database.ts'
import { createUserDatabase } from '../shop/users/users.ts'
import { type CopyCounts, createCostMeter } from './copy-costs.ts'
import { observeStore } from './observed-store.ts'
import type { ServerConfig, ServerMessage, SessionChange } from './server-messages.ts'
import { openTokens, type ServerTokens } from './server-tokens.ts'
import { findStrategy } from './strategies.ts'
import type { OpenStore } from './strategy.ts'

/** How long requests in flight may take once the server was told to end. */
const DRAIN_TIMEOUT = 3_000
const REPORT_INTERVAL = 100
/** As often as the state goes out by itself: oftener, nobody would see it. */
const COSTS_INTERVAL = 1_000

// When the parent was killed while this process was paused, this is the first thing that happens after waking.
process.once('disconnect', () => process.exit())
// Ctrl-C and a closed terminal reach the whole group; the parent decides what becomes of the servers.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)

try {
  await serve(JSON.parse(process.argv[2] ?? '') as ServerConfig)
} catch (error) {
  send({ type: 'failed', reason: error instanceof Error ? error.message : String(error) }, () =>
    process.exit(1),
  )
}

async function serve(config: ServerConfig): Promise<void> {
  const { id, folder, engines, addresses, feedAddresses, clockOffset } = config
  const strategy = findStrategy(config.strategy)
  if (!strategy) throw new RangeError(`Cannot start server ${id} as there is no strategy ${config.strategy}`)
  const now = () => Date.now() + clockOffset
  const tokens = await openTokens(folder, now)
  const backEnd = await strategy.open({ folder, now, engines, addresses, feedAddresses, tokens })
  const sessions =
    'sessions' in backEnd
      ? backEnd.sessions
      : openSessions(observeStore(backEnd.store, createReporter()), tokens, now)
  for (const incident of ['storeDown', 'storeUp', 'corrupt'] as const) {
    sessions.on(incident, () => send({ type: 'incident', incident }))
  }
  const users = await openUsers(config.users)
  const server = createServer(
    createShop({ sessions, users: createUserDatabase(users, { now }), tokens: tokens.tokens, now }),
  )
  const port = await listen(server, config.port)

  process.once('SIGTERM', () => {
    void endRequests(server).then(async () => {
      sessions.close()
      users.close()
      await backEnd.close()
      await tokens.close()
      process.exit()
    })
  })
  send({ type: 'ready', port })
  if ('countCosts' in backEnd && backEnd.countCosts) reportCosts(backEnd.countCosts)
}

function openSessions(store: OpenStore['store'], { tokens }: ServerTokens, now: () => number): ShopSessions {
  const options = { allowInsecureCookie: true, now, revocations: tokens }
  // The two have different types, as only the first can list a user's sessions.
  return 'list' in store
    ? createSessions<ShopSession>(store, options)
    : createSessions<ShopSession>(store, options)
}

/** Opens the file of the users, which is the application's own affair and the same on every strategy. */
async function openUsers(file: string) {
  const { default: Database } = await import('libsql')
  const database = new Database(file)
  await migrateUserDatabase(database)
  return database
}

/** Collects what happens to sessions, so that a busy server sends ten messages a second and not a thousand. */
function createReporter(): (change: SessionChange) => void {
  const changes = new Map<string, SessionChange>()
  setInterval(() => {
    if (!changes.size) return
    send({ type: 'sessions', changes: [...changes.values()] })
    changes.clear()
  }, REPORT_INTERVAL).unref()

  return (change) => {
    changes.delete(change.handle)
    changes.set(change.handle, change)
  }
}

/** Tells what the copies cost from now on. */
function reportCosts(count: () => CopyCounts): void {
  const read = createCostMeter(count, () => performance.now())
  const report = () => send({ type: 'costs', costs: read() })
  report()
  setInterval(report, COSTS_INTERVAL).unref()
}

/** Listens on the port it had before, so that its address stays true, or on a free one when that was taken. */
async function listen(server: Server, port: number): Promise<number> {
  try {
    server.listen({ host: '127.0.0.1', port })
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  } catch (error) {
    if (port === 0) throw error
    return await listen(server, 0)
  }
}

/** Stops accepting, lets requests in flight finish, and closes connections as they become idle. */
async function endRequests(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  const idle = setInterval(() => server.closeIdleConnections(), 20)
  const deadline = setTimeout(() => server.closeAllConnections(), DRAIN_TIMEOUT)
  await closed
  clearInterval(idle)
  clearTimeout(deadline)
}

function send(message: ServerMessage, sent?: () => void): void {
  if (process.connected) process.send?.(message, undefined, undefined, sent)
  else sent?.()
}
