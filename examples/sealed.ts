/**
 * Light sessions sealed into their cookies: no store is asked, and a logout counts on every server all the same.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import express from 'express'
import Database from 'libsql'
import { createSealedSessions } from 'coatcheck'
import { expressSessions } from 'coatcheck/http/express'
import { createRevocations, createSqliteRevocationLog, migrateSqliteRevocations } from 'coatcheck/tokens'

const database = new Database(process.env['DATABASE'] ?? 'revocations.db')
await migrateSqliteRevocations(database)
const revocations = createRevocations(createSqliteRevocationLog(database), {
  tokenLifetime: '30d', // of the longest session: remembered logins have 30 days
})
await revocations.ready
const secret = process.env['SESSION_SECRET'] ?? randomBytes(32) // the same on every server
const sessions = createSealedSessions<{ language: string }>([secret], revocations)

const app = express()
app.use(express.json(), expressSessions(sessions))
app.post('/login', async (req, res) => {
  const session = await sessions.load(req)
  session.set('language', req.body.language)
  await session.login(req.body.username) // check a password first
  res.json({ user: session.principal })
})
app.post('/logout', async (req, res) => {
  const session = await sessions.load(req)
  await session.destroy()
  res.sendStatus(204)
})
app.get('/me', async (req, res) => {
  const session = await sessions.load(req)
  res.json({ user: session.principal ?? null, language: session.get('language') ?? null })
})
app.listen(Number(process.env['PORT'] ?? 3000))
