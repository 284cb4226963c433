/**
 * A process that holds real servers, and tells which, until it is ended.
 *
 * @module
 */

import { startPostgres } from '../../lab/dist/engines/postgres.js'
import { startRedis } from '../../lab/dist/engines/redis.js'

const groups = await Promise.all([startPostgres(), startRedis()])
const engines = groups.flatMap((group) => group.engines)
for (const engine of engines) await engine.pause()
console.log(JSON.stringify(engines.map(({ pid }) => pid)))
