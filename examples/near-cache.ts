/**
 * Sessions in Redis with a near cache in front: reads cost no I/O, and a copy is at most two seconds behind.
 *
 * @module
 */

import express from 'express'
import { createClient } from 'redis'
import { createSessions } from 'coatcheck'
import { expressSessions } from 'coatcheck/http/express'
import { createNearCache } from 'coatcheck/stores/near-cache'
import { createRedisInvalidations, createRedisStore } from 'coatcheck/stores/redis'

const client = createClient({
  url: process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379',
  disableOfflineQueue: true,
  commandOptions: { timeout: 0 },
})
client.on('error', (error: Error) => console.error(error.message))
await client.connect()
const store = createNearCache(createRedisStore(client), createRedisInvalidations(client))
const sessions = createSessions(store, { outage: 'stale' })

const app = express()
app.use(express.json(), expressSessions(sessions))
app.post('/login', async (req, res) => {
  const session = await sessions.load(req)
  await session.login(req.body.username) // check a password first
  res.json({ user: session.principal })
})
app.post('/logout', async (req, res) => {
  const session = await sessions.load(req)
  await session.destroy()
  res.sendStatus(204)
})
app.get('/me', async (req, res) => {
  const session = await sessions.load(req) // from the copy
  res.json({ user: session.principal ?? null, hits: store.stats().hits })
})
app.post('/order', async (req, res) => {
  const session = await sessions.load(req)
  const isThere = await session.fresh() // asks Redis: it may have been ended a second ago
  res.status(isThere ? 200 : 401).json({ user: session.principal ?? null })
})
app.listen(Number(process.env['PORT'] ?? 3000))
