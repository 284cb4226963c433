/**
 * One server of bench/read-path.ts: the variant named by its argument, in a process of its own.
 *
 * @module
 */

import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSessions } from 'coatcheck'
import { expressSessions } from 'coatcheck/http/express'
import { nodeSessions } from 'coatcheck/http/node'
import { createMemoryStore } from 'coatcheck/stores/memory'
import express from 'express'
import expressSession from 'express-session'

/** What a server tells when asked: CPU time it used so far, in microseconds. */
export interface ServerReport {
  readonly port?: number
  readonly cpu?: number
}

/** Attributes of a typical session, about 200 bytes as JSON. */
interface Shop {
  cart: string[]
  theme: string
  lastPage: string
  firstSeenAt: number
}

const SHOP: Shop = {
  cart: ['wool coat, navy', 'umbrella', 'felt hat, grey', 'silk scarf'],
  theme: 'dark',
  lastPage: '/catalogue/coats?sort=price',
  firstSeenAt: Date.UTC(2026, 0, 1),
}

const variants: Readonly<Record<string, () => RequestListener>> = {
  'node:http alone': () => (_request, response) => void response.end('4'),

  'node:http + coatcheck': () => {
    const sessions = createSessions<Shop>(createMemoryStore(), { allowInsecureCookie: true })
    return nodeSessions(sessions, async (request, response) => {
      const session = await sessions.load(request)
      if (request.url === '/login') for (const key of keysOf(SHOP)) session.set(key, SHOP[key])
      response.end(String(session.get('cart')?.length))
    })
  },

  'Express alone': () => {
    const app = createApp()
    app.use((_request, response) => void response.send('4'))
    return app
  },

  'Express + coatcheck': () => {
    const app = createApp()
    const sessions = createSessions<Shop>(createMemoryStore(), { allowInsecureCookie: true })
    app.use(expressSessions(sessions))
    app.use(async (request, response) => {
      const session = await sessions.load(request)
      if (request.url === '/login') for (const key of keysOf(SHOP)) session.set(key, SHOP[key])
      response.send(String(session.get('cart')?.length))
    })
    return app
  },

  'Express + express-session': () => {
    const app = createApp()
    app.use(expressSession({ secret: 'of the bench alone', resave: false, saveUninitialized: false }))
    app.use((request, response) => {
      const session = request.session as expressSession.Session & Partial<Shop>
      if (request.url === '/login') Object.assign(session, SHOP)
      response.send(String(session.cart?.length))
    })
    return app
  },
}

function createApp(): express.Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('etag', false)
  return app
}

function keysOf<T extends object>(value: T): (keyof T & string)[] {
  return Object.keys(value) as (keyof T & string)[]
}

const variant = variants[process.argv[2] ?? '']
if (!variant) throw new RangeError(`Cannot start a server as there is no variant ${process.argv[2]}`)
const server = createServer(variant()).listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port } satisfies ServerReport)
})
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ cpu: user + system } satisfies ServerReport)
})
process.once('disconnect', () => process.exit())
