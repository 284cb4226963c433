/**
 * One server of bench/read-path.ts: the variant named by its argument, in a process of its own.
 *
 * @module
 */

import type { RequestListener } from 'node:http'
import { createSessions } from 'coatcheck'
import { expressSessions } from 'coatcheck/http/express'
import { nodeSessions } from 'coatcheck/http/node'
import { createMemoryStore } from 'coatcheck/stores/memory'
import expressSession from 'express-session'
import { createApp, keysOf, PEER, serveVariant, SHOP, type Shop } from './contender-server.ts'

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
    const sessions = createSessions<Shop>(createMemoryStore(), { development: false })
    app.use(expressSessions(sessions))
    app.use(async (request, response) => {
      const session = await sessions.load(request)
      if (request.url === '/login') for (const key of keysOf(SHOP)) session.set(key, SHOP[key])
      response.send(String(session.get('cart')?.length))
    })
    return app
  },

  'Express + coatcheck, not loaded': () => {
    const app = createApp()
    app.use(expressSessions(createSessions<Shop>(createMemoryStore(), { development: false })))
    app.use(async (_request, response) => void response.send('4'))
    return app
  },

  'Express + express-session': () => {
    const app = createApp()
    app.use(expressSession(PEER))
    app.use((request, response) => {
      const session = request.session as expressSession.Session & Partial<Shop>
      if (request.url === '/login') Object.assign(session, SHOP)
      response.send(String(session.cart?.length))
    })
    return app
  },
}

await serveVariant(variants)
