import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { describe, it } from 'vitest'
import {
  adapterContract,
  type AdapterTrial,
  type AdapterTrialServer,
} from '../conformance/adapter-contract.ts'
import { expressSessions } from './express.ts'
import { nodeSessions } from './node.ts'

const trials: Readonly<Record<string, AdapterTrial>> = {
  'nodeSessions()': (sessions, handler) =>
    listen(
      nodeSessions(sessions, async (request, response) => {
        response.end(
          await handler(request, request.url ?? '/', (name, value) => response.setHeader(name, value)),
        )
      }),
    ),
  'expressSessions()': (sessions, handler) => {
    const app = express()
    app.set('env', 'test')
    app.use(expressSessions(sessions))
    app.use(async (request, response) => {
      response.send(await handler(request, request.path, (name, value) => response.setHeader(name, value)))
    })
    return listen(app)
  },
  'expressSessions() in an app within an app, which leaves the answer to that': (sessions, handler) => {
    const inner = express()
    inner.use(expressSessions(sessions))
    inner.use(async (request, response, next) => {
      const set = (name: string, value: string): void => void response.setHeader(name, value)
      response.locals['body'] = await handler(request, request.path, set)
      next()
    })
    const app = express()
    app.set('env', 'test')
    app.use(inner)
    app.use((_request, response) => void response.send(response.locals['body']))
    return listen(app)
  },
}

for (const [name, trial] of Object.entries(trials)) {
  describe(name, () => {
    for (const { title, verify } of adapterContract) it(title, () => verify(trial))
  })
}

async function listen(listener: RequestListener): Promise<AdapterTrialServer> {
  const server: Server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
