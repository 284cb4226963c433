/**
 * Sessions in PostgreSQL: a user sees where they are logged in, and logs out everywhere else.
 *
 * @module
 */

import express from 'express'
import { Pool } from 'pg'
import { createSessions } from 'coatcheck'
import { expressSessions } from 'coatcheck/http/express'
import { checkPostgresStore, createPostgresStore, migratePostgresStore } from 'coatcheck/stores/postgres'

const pool = new Pool({
  connectionString: process.env['DATABASE_URL'] ?? 'postgres://127.0.0.1/postgres',
  connectionTimeoutMillis: 2_000,
  keepAlive: true,
})
await migratePostgresStore(pool) // or in a step of the deployment, with a user who may create tables
for (const warning of await checkPostgresStore(pool)) console.warn(warning)
const sessions = createSessions(createPostgresStore(pool), { sessionLimit: 10 })

const app = express()
app.use(express.json(), expressSessions(sessions))
app.post('/login', async (req, res) => {
  const session = await sessions.load(req)
  await session.login(req.body.username) // check a password first
  res.json({ user: session.principal })
})
app.get('/sessions', async (req, res) => {
  const session = await sessions.load(req)
  res.json(await sessions.of(session.principal).list())
})
app.delete('/sessions', async (req, res) => {
  const session = await sessions.load(req)
  res.json({ ended: await sessions.of(session.principal).revoke({ except: session }) })
})
app.listen(Number(process.env['PORT'] ?? 3000))
