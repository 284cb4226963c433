import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import {
  connectTo,
  exchangeRaw,
  startApplication,
  startRecorder,
  until,
} from '../../test/support/raw-http.ts'
import { affinityOf, createTestbed, sorted, visit } from '../../test/support/testbed.ts'
import { createBalancer } from './balancer.ts'

const SECRET = 'a secret of more than thirty-two bytes'
const STICKY = { routing: 'sticky', secrets: [SECRET], allowInsecureCookie: true } as const

const { keep, startFleet, startBalancer, close } = createTestbed()
afterEach(close)

describe('createBalancer()', () => {
  it('takes turns between its servers and says who answered and why', async () => {
    const { url } = await startBalancer(await startFleet('A', 'B'))

    const visits = [await visit(url), await visit(url), await visit(url), await visit(url)]

    expect(sorted(visits.map(({ server }) => server))).toEqual(['A', 'A', 'B', 'B'])
    expect(visits.every(({ routedBy }) => routedBy === 'round-robin')).toBe(true)
  })

  it('changes its routing while it runs', async () => {
    const { balancer, url } = await startBalancer(await startFleet('A', 'B'), {
      secrets: [SECRET],
      allowInsecureCookie: true,
    })

    balancer.setRouting('ip-hash')
    const hashed = [await visit(url), await visit(url), await visit(url)]
    balancer.setRouting('sticky')
    const sticky = await visit(url)

    expect(new Set(hashed.map(({ server }) => server)).size).toBe(1)
    expect(hashed[0]?.routedBy).toBe('ip-hash')
    expect(sticky.routedBy).toBe('new')
  })

  it('refuses a port that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    const balancer = createBalancer(await startFleet('A'))

    await expect(balancer.listen({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' })

    taken.close()
  })

  it('lets requests in flight end before it closes', async () => {
    let finish: (() => void) | undefined
    const application = keep(
      await startApplication('A', (_request, response) => {
        finish = () => response.end('late')
      }),
    )
    const { balancer, url } = await startBalancer([application])
    const answer = fetch(url).then((response) => response.text())
    await until(() => finish !== undefined, 'the application has the request')

    const closed = balancer.close()
    finish?.()

    expect(await answer).toBe('late')
    await closed
    await expect(fetch(url)).rejects.toThrow('fetch failed')
  })

  it('reports every request, with what is needed to recognise the session', async () => {
    const application = keep(
      await startApplication('A', (_request, response) => {
        response.setHeader('set-cookie', ['session=1', 'other=2']).writeHead(201).end()
      }),
    )
    const { balancer, url } = await startBalancer([application], { ...STICKY, now: () => 1_000 })
    const entries: unknown[] = []
    balancer.on('request', (entry) => entries.push(entry))

    await fetch(`${url}/cart?item=tea`, { method: 'POST', headers: { cookie: 'session=0; affinity=x' } })

    await until(() => entries.length > 0, 'the entry is there')
    expect(entries).toEqual([
      {
        at: 1_000,
        method: 'POST',
        path: '/cart',
        status: 201,
        server: 'A',
        routedBy: 'new',
        milliseconds: expect.any(Number),
        cookie: 'session=0',
        setCookies: ['session=1', 'other=2'],
      },
    ])
  })

  it('reports requests that it answered itself', async () => {
    const { balancer, url } = await startBalancer([])
    const entries: unknown[] = []
    balancer.on('request', (entry) => entries.push(entry))

    await exchangeRaw(url, 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n')
    await fetch(url)

    await until(() => entries.length > 1, 'both entries are there')
    expect(entries).toMatchObject([
      { method: 'TRACE', status: 405, server: undefined, routedBy: 'refused' },
      { method: 'GET', status: 503, server: undefined, routedBy: 'down' },
    ])
  })

  it('stops telling a listener that has left', async () => {
    const { balancer, url } = await startBalancer(await startFleet('A'))
    let heard = 0
    const leave = balancer.on('request', () => heard++)

    await visit(url)
    await until(() => heard === 1, 'the first entry is there')
    leave()
    await visit(url)

    expect(heard).toBe(1)
  })
})

describe('capacity', () => {
  it('fills one server, then the next, then says 503 with Retry-After', async () => {
    const waiting: (() => void)[] = []
    const fleet = await Promise.all(
      ['A', 'B'].map(async (id) =>
        keep(await startApplication(id, (_request, response) => waiting.push(() => response.end(id)))),
      ),
    )
    const limited = fleet.map(({ id, url }) => ({ id, url, capacity: 1 }))
    const { url } = await startBalancer(limited, { routing: 'least-connections' })
    const first = [fetch(url), fetch(url)]
    await until(() => waiting.length === 2, 'both servers are full')

    const third = await fetch(url)

    expect(third.status).toBe(503)
    expect(third.headers.get('retry-after')).toBe('1')
    expect(third.headers.get('x-routed-by')).toBe('full')
    for (const end of waiting) end()
    const servers = (await Promise.all(first)).map((response) => response.headers.get('x-served-by'))
    expect(sorted(servers)).toEqual(['A', 'B'])
  })

  it('sends the visitor of a full server to another one', async () => {
    const waiting: (() => void)[] = []
    const a = keep(await startApplication('A', (_request, response) => waiting.push(() => response.end())))
    const { balancer, url } = await startBalancer([{ ...a, capacity: 1 }], STICKY)
    const first = fetch(url)
    await until(() => waiting.length === 1, 'A is full')
    waiting.pop()?.()
    const cookie = affinityOf(await first)
    const second = fetch(url, { headers: { cookie } })
    await until(() => waiting.length === 1, 'A is full again')
    const [b] = await startFleet('B')
    await balancer.add({ id: 'B', url: b?.url ?? '' })

    const third = await visit(url, cookie)

    expect(third).toMatchObject({ server: 'B', routedBy: 'redispatch' })
    waiting.pop()?.()
    await second
  })

  it('has room again when the client of a request has left', async () => {
    const recorder = keep(await startRecorder(() => {}))
    const { balancer, url } = await startBalancer([{ id: 'A', url: recorder.url, capacity: 1 }])
    const client = await connectTo(url)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => recorder.sockets.length === 1, 'the request has arrived')

    client.destroy()

    await until(() => balancer.upstreams()[0]?.active === 0, 'the request is over')
    await until(() => recorder.sockets[0]?.destroyed === true, 'the server was told')
    expect(balancer.upstreams()[0]?.healthy).toBe(true)
  })
})
