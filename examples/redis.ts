/**
 * Sessions in Redis, which any number of servers share.
 *
 * @module
 */

import express from 'express'
import { createClient } from 'redis'
import { createSessions } from 'coatcheck'
import { expressSessions } from 'coatcheck/http/express'
import { checkRedisStore, createRedisStore } from 'coatcheck/stores/redis'

const client = createClient({
  url: process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379',
  disableOfflineQueue: true,
  commandOptions: { timeout: 0 },
})
client.on('error', (error: Error) => console.error(error.message))
await client.connect()
for (const warning of await checkRedisStore(client)) console.warn(warning)
const sessions = createSessions<{ cart: string[] }>(createRedisStore(client))

const app = express()
app.use(express.json(), expressSessions(sessions))
app.post('/login', async (req, res) => {
  const session = await sessions.load(req)
  await session.login(req.body.username) // check a password first
  res.json({ user: session.principal })
})
app.post('/cart', async (req, res) => {
  const session = await sessions.load(req)
  res.json(await session.update('cart', (cart = []) => [...cart, req.body.item]))
})
app.listen(Number(process.env['PORT'] ?? 3000))
