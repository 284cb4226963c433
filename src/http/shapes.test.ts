import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import express from 'express'
import { expect, it, onTestFinished } from 'vitest'
import { createSessions } from '../session/sessions.ts'
import { createMemoryStore } from '../stores/memory.ts'
import { expressSessions } from './express.ts'

/** Node 20 and 22 have V8 11 and 12. */
const isOld = Number.parseInt(process.versions.v8, 10) < 13

setFlagsFromString('--allow-natives-syntax')
// oxlint-disable-next-line typescript/no-implied-eval -- what V8 knows can be asked in its own syntax alone
const hasShape = new Function('object', 'return %HasFastProperties(object)') as (object: object) => boolean

it.runIf(isOld)(
  'spares Express a shape for every property where V8 shares none, and keeps their names and order',
  async () => {
    const without = await look(express())
    const sessions = createSessions(createMemoryStore())
    const seen = await look(express().use(expressSessions(sessions)))

    expect(without.shapes).toEqual({ request: true, response: true })
    expect(seen.shapes).toEqual({ request: false, response: false })
    expect(seen.keys).toEqual(without.keys)
  },
)

it.skipIf(isOld)('leaves shapes alone where V8 shares them', async () => {
  const seen = await look(express().use(expressSessions(createSessions(createMemoryStore()))))

  expect(seen.shapes).toEqual({ request: true, response: true })
})

/** Asks an application for a page, and looks at what its handler gets. */
async function look(app: express.Express) {
  let seen: { shapes: Record<'request' | 'response', boolean>; keys: unknown } | undefined
  app.use((req: IncomingMessage, res: ServerResponse) => {
    const keys = [Reflect.ownKeys(req), Reflect.ownKeys(res)]
    seen = { shapes: { request: hasShape(req), response: hasShape(res) }, keys }
    res.end()
  })
  const server = createServer(app).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const asked = request({ port: (server.address() as AddressInfo).port, agent: false }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  await once(answer.resume(), 'end')
  return seen ?? expect.unreachable('The handler was not called')
}
