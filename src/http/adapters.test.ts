import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import compression from 'compression'
import express, { type RequestHandler } from 'express'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  adapterContract,
  type AdapterTrial,
  type AdapterTrialServer,
} from '../conformance/adapter-contract.ts'
import { createSessions } from '../session/sessions.ts'
import { createMemoryStore } from '../stores/memory.ts'
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
  'expressSessions()': (sessions, handler) => serveExpress([expressSessions(sessions)], handler),
  'expressSessions() behind compression()': (sessions, handler) =>
    serveExpress([compression({ threshold: 0 }), expressSessions(sessions)], handler),
  'expressSessions() in front of compression()': (sessions, handler) =>
    serveExpress([expressSessions(sessions), compression({ threshold: 0 })], handler),
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

describe.each([
  { title: 'behind', isBehind: true },
  { title: 'in front of', isBehind: false },
])('expressSessions() $title compression(), with an answer that is a stream', ({ isBehind }) => {
  const lines = Array.from({ length: 2_000 }, (_, line) => `line ${line} of what is said\n`)

  /** An application whose store takes a while to store a session, or to refuse that. */
  async function serve(refusal?: Error): Promise<string> {
    const store = createMemoryStore()
    const sessions = createSessions<{ seen: boolean }>(
      {
        ...store,
        async create(key, record) {
          await new Promise((resolve) => setTimeout(resolve, 20))
          if (refusal) throw refusal
          return store.create(key, record)
        },
      },
      { allowInsecureCookie: true },
    )
    onTestFinished(() => sessions.close())
    const middleware = [compression({ threshold: 0 }), expressSessions(sessions)]
    const app = express()
    app.use(...(isBehind ? middleware : middleware.toReversed()))
    app.use(async (request, response) => {
      const session = await sessions.load(request)
      session.set('seen', true)
      response.type('text/plain')
      // What is refused is dropped, and the stream with it.
      await pipeline(Readable.from(lines), response).catch(() => undefined)
    })
    const { url, close } = await listen(app)
    onTestFinished(close)
    return url
  }

  it('sends all of it, with the cookie', async () => {
    const answer = await fetch(await serve(), { signal: AbortSignal.timeout(5_000) })

    expect(await answer.text()).toBe(lines.join(''))
    expect(answer.headers.get('content-encoding')).not.toBeNull()
    expect(answer.headers.getSetCookie()).toHaveLength(1)
  })

  it('sends nothing of it when the session is refused', async () => {
    const answer = await fetch(await serve(new Error('full')), { signal: AbortSignal.timeout(5_000) })

    expect(answer.status).toBe(503)
    expect(await answer.text()).toMatch(/^The session could not be stored/)
  })
})

function serveExpress(
  middleware: readonly RequestHandler[],
  handler: Parameters<AdapterTrial>[1],
): Promise<AdapterTrialServer> {
  const app = express()
  app.set('env', 'test')
  app.use(...middleware)
  app.use(async (request, response) => {
    response.send(await handler(request, request.path, (name, value) => response.setHeader(name, value)))
  })
  return listen(app)
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
