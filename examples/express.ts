import express from 'express'
import Database from 'libsql'
import { createSessions } from 'coatcheck'
import { expressSessions } from 'coatcheck/http/express'
import { createSqliteStore, migrateSqliteStore } from 'coatcheck/stores/sqlite'

const database = new Database(process.env['DATABASE'] ?? 'sessions.db')
await migrateSqliteStore(database)
const sessions = createSessions<{ cart: string[] }>(createSqliteStore(database), { idleTimeout: '30m' })

const app = express()
app.use(express.json(), expressSessions(sessions))
app.post('/login', async (req, res) => {
  const session = await sessions.load(req)
  await session.login(req.body.username) // new id, same cart; check a password first
  res.json({ user: session.principal })
})
app.post('/cart', async (req, res) => {
  const session = await sessions.load(req)
  res.json(await session.update('cart', (cart = []) => [...cart, req.body.item])) // atomic, on every server
})
app.listen(Number(process.env['PORT'] ?? 3000))
