import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type Answer, createBrowser } from './browser.ts'

const cleanups: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function browse(url: string, options?: Parameters<typeof createBrowser>[1]) {
  const browser = createBrowser(() => url, options)
  cleanups.push(() => browser.close())
  return browser
}

describe('createBrowser()', () => {
  it('sends back the cookies that it was given', async () => {
    const url = await serve((request, response) => {
      response.setHeader('Set-Cookie', 'session=a; Path=/')
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ cookie: request.headers.cookie ?? null }))
    })
    const browser = browse(url)

    const first = await browser.request('GET', '/')
    const second = await browser.request('GET', '/')

    expect([first?.body, second?.body]).toEqual([{ cookie: null }, { cookie: 'session=a' }])
  })

  it('neither sends nor changes its own cookies in a request with a cookie of its own', async () => {
    const url = await serve((request, response) => {
      response.setHeader('Set-Cookie', 'session=new; Path=/')
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ cookie: request.headers.cookie ?? null }))
    })
    const browser = browse(url)
    browser.jar.receive(['session=mine; Path=/'])

    const answer = await browser.request('GET', '/', { cookie: 'session=frozen' })

    expect(answer?.body).toEqual({ cookie: 'session=frozen' })
    expect(browser.jar.header()).toBe('session=mine')
  })

  it('reports no answer within the timeout as undefined', async () => {
    const url = await serve(() => {})
    const outcomes: (Answer | undefined)[] = []
    const browser = browse(url, { timeout: 50, onAnswer: (answer) => outcomes.push(answer) })

    const answer = await browser.request('GET', '/')

    expect(answer).toBeUndefined()
    expect(outcomes).toEqual([undefined])
  })

  it('reports a refused connection as undefined', async () => {
    const browser = browse('http://127.0.0.1:1')

    const answer = await browser.request('GET', '/')

    expect(answer).toBeUndefined()
  })

  it('lets the server do the work of a dropped request, and takes nothing of its answer', async () => {
    let requests = 0
    const url = await serve((_request, response) => {
      requests++
      response.setHeader('Set-Cookie', 'session=a; Path=/')
      response.end()
    })
    const outcomes: (Answer | undefined)[] = []
    const browser = browse(url, { onAnswer: (answer) => outcomes.push(answer) })

    const answer = await browser.request('POST', '/login', { body: {}, dropAfter: 1_000 })

    expect(answer).toBeUndefined()
    expect(browser.jar.header()).toBeUndefined()
    expect([requests, outcomes.length]).toEqual([1, 0])
  })

  it('uses its connections again, until it is told to open new ones', async () => {
    const ports = new Set<number | undefined>()
    const url = await serve((request, response) => {
      ports.add(request.socket.remotePort)
      response.end()
    })
    const browser = browse(url)

    for (let count = 0; count < 10; count++) await browser.request('GET', '/')
    const kept = ports.size
    await browser.reconnect()
    await browser.request('GET', '/')

    expect(kept).toBeLessThanOrEqual(2)
    expect(ports.size).toBe(kept + 1)
  })
})
