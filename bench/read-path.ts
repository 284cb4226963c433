/**
 * What does reading a session from memory cost a request?
 *
 * Decides whether sessions may be loaded on every page of an application.
 *
 * @module
 */

import {
  type Contender,
  endServers,
  type Load,
  printConditions,
  printTable,
  runRounds,
  startServers,
} from './contenders.ts'

const load: Load = {
  rounds: Number(process.env['ROUNDS'] ?? 60),
  requests: 2_000,
  warmUp: 400,
  settling: 10_000,
  concurrency: 64,
  path: '/',
}

const ours: Contender = { name: 'Express + coatcheck', alone: 'Express alone' }
const unloaded: Contender = { name: 'Express + coatcheck, not loaded', alone: 'Express alone' }
const theirs: Contender = { name: 'Express + express-session', alone: 'Express alone' }
const contenders: readonly Contender[] = [
  { name: 'node:http alone', alone: 'node:http alone' },
  { name: 'node:http + coatcheck', alone: 'node:http alone' },
  { name: 'Express alone', alone: 'Express alone' },
  ours,
  unloaded,
  theirs,
]

const servers = await startServers(new URL('./read-path-server.js', import.meta.url), contenders, 1)
const results = await runRounds(servers, load)
await endServers(servers)

printConditions('What does reading a session from memory cost a request?', load)
printTable(contenders, results)
console.log(
  `\nadded on Express, coatcheck ÷ express-session: ${results.ratio(ours, theirs).toFixed(3)} (reach ≤ 0.167, aim ≤ 0.1)
the session alone, as the adapter makes Express itself cheaper: ${results.ratio({ ...ours, alone: unloaded.name }, theirs).toFixed(3)}`,
)
