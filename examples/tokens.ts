import { randomBytes } from 'node:crypto'
import express from 'express'
import { createMemoryStore } from 'coatcheck/stores/memory'
import {
  bearerChallenge,
  createMemoryRevocationLog,
  createRefreshTokens,
  createRevocations,
  createTokens,
  generateKey,
  readBearer,
} from 'coatcheck/tokens'

// One server. Several share a store, a log in Redis, PostgreSQL, NATS or SQLite, and the keys of createKeyStore.
const revocations = createRevocations(createMemoryRevocationLog())
const refresh = createRefreshTokens(createMemoryStore(), { keys: [randomBytes(32)], revocations })
const names = { issuer: 'https://shop.example', audience: 'https://shop.example/api' }
const tokens = createTokens({ ...names, keys: [generateKey('ES256')], revocations, refresh })
await revocations.ready

const app = express()
app.use(express.json())
app.post('/login', async (req, res) => void res.json(await tokens.login({ sub: req.body.username }))) // check a password first
app.post('/refresh', async (req, res) => {
  const pair = await tokens.rotate(req.body.refreshToken)
  res.status(pair.ok ? 200 : 401).json(pair)
})
app.use((req, res, next) => {
  const credentials = readBearer(req)
  const answer = credentials.ok ? tokens.verify(credentials.token) : credentials
  if (answer.ok) res.locals['claims'] = answer.claims
  else {
    const { status, headers } = bearerChallenge(answer.reason)
    res.status(status).set(headers).end()
    return
  }
  next()
})
app.get('/me', (_req, res) => void res.json({ user: res.locals['claims'].sub }))
app.post('/logout', async (_req, res) => {
  await tokens.revokeUser(res.locals['claims'].sub) // everywhere
  res.status(204).end()
})
app.listen(Number(process.env['PORT'] ?? 3000))
