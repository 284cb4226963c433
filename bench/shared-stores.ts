/**
 * What does a session in Redis or PostgreSQL cost a request, beside express-session on the same server?
 *
 * Decides whether a team may keep its logins in the shared store it has, and whether a near cache is worth its channel.
 * Commands are counted by the servers themselves.
 *
 * @module
 */

import { startPostgres } from 'coatcheck-lab/engines/postgres'
import { startRedis } from 'coatcheck-lab/engines/redis'
import { Client } from 'pg'
import { createClient } from 'redis'
import {
  type Contender,
  endServers,
  type Load,
  printConditions,
  printTable,
  runRounds,
  sendRequests,
  startServers,
} from './contenders.ts'

const load = {
  rounds: Number(process.env['ROUNDS'] ?? 60),
  requests: 1_000,
  warmUp: 200,
  settling: 10_000,
  concurrency: 64,
} as const
const PATHS = ['/', '/write'] as const
const COUNTED = 2_000

const on = (name: string): Contender => ({ name, alone: 'Express alone' })
const unloaded = on('coatcheck, not loaded')
const byHand = on('by hand, node-redis')
const ourRedis = on('coatcheck, node-redis')
const theirRedis = on('express-session + connect-redis')
const ourPostgres = on('coatcheck, pg')
const theirPostgres = on('express-session + connect-pg-simple')
const contenders = [
  on('Express alone'),
  unloaded,
  byHand,
  ourRedis,
  on('coatcheck, ioredis'),
  on('coatcheck, node-redis + near cache'),
  theirRedis,
  ourPostgres,
  on('coatcheck, postgres.js'),
  on('coatcheck, pg + near cache'),
  theirPostgres,
]

/** Redis counts what a script does too; what our stores send is the script alone. */
const OUR_COMMANDS = new Set(['mget', 'evalsha', 'eval'])
const THEIR_COMMANDS = new Set(['get', 'set', 'expire'])

const redis = await startRedis()
const database = await startPostgres()
try {
  const servers = await startServers(new URL('./shared-stores-server.js', import.meta.url), contenders, 64, {
    REDIS_URL: redis.url,
    POSTGRES_URL: database.url,
  })
  const question = 'What does a session in Redis or PostgreSQL cost a request?'
  for (const path of PATHS) {
    const measured: Load = { ...load, path }
    const results = await runRounds(servers, measured)
    printConditions(`${question} (${path === '/' ? 'read' : 'read and write'})`, measured)
    printTable(contenders, results)
    console.log(`
added, Redis, coatcheck ÷ connect-redis: ${results.ratio(ourRedis, theirRedis).toFixed(3)} (reach ≤ 0.2)
the session alone, Redis, coatcheck ÷ connect-redis: ${results.ratio({ ...ourRedis, alone: unloaded.name }, theirRedis).toFixed(3)}
added, Redis, by hand ÷ connect-redis: ${results.ratio(byHand, theirRedis).toFixed(3)} (the least that it can be)
added, PostgreSQL, coatcheck ÷ connect-pg-simple: ${results.ratio(ourPostgres, theirPostgres).toFixed(3)} (reach ≤ ${path === '/' ? '0.33' : '0.4'})
the session alone, PostgreSQL, coatcheck ÷ connect-pg-simple: ${results.ratio({ ...ourPostgres, alone: unloaded.name }, theirPostgres).toFixed(3)}
`)
  }

  console.log('Commands that the store was sent, per request\n')
  console.log('| server | page without session | read | read and write |\n| --- | --- | --- | --- |')
  for (const { name } of contenders.slice(2)) {
    const server = servers.get(name)
    if (!server) continue
    const count = counterOf(name)
    const cells: string[] = []
    for (const path of ['/untouched', ...PATHS]) {
      const before = await count()
      await sendRequests(server, { requests: COUNTED, concurrency: 1, path })
      cells.push((Math.max(0, (await count()) - before) / COUNTED).toFixed(3))
    }
    console.log(`| ${name} | ${cells.join(' | ')} |`)
  }
  await endServers(servers)
} finally {
  await Promise.all([redis.close(), database.close()])
}

function counterOf(name: string): () => Promise<number> {
  if (!name.includes('redis')) return countTransactions
  return () => countRedisCommands(name.includes('connect') ? THEIR_COMMANDS : OUR_COMMANDS)
}

async function countRedisCommands(counted: ReadonlySet<string>): Promise<number> {
  const client = createClient({ url: redis.url })
  await client.connect()
  const stats = await client.info('commandstats')
  await client.close()
  return [...stats.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)]
    .filter(([, name = '']) => counted.has(name))
    .reduce((sum, [, , calls]) => sum + Number(calls), 0)
}

async function countTransactions(): Promise<number> {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  // Backends report what they did up to a second late.
  await client.query('SELECT pg_sleep(1.2)')
  const { rows } = await client.query<{ count: string }>(
    'SELECT sum(calls) AS count FROM (SELECT xact_commit AS calls FROM pg_stat_database WHERE datname = current_database()) counted',
  )
  await client.end()
  return Number(rows[0]?.count ?? 0)
}
