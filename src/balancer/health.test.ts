import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { OK, exchangeRaw, startRecorder, until } from '../../test/support/raw-http.ts'
import { createTestbed, sorted } from '../../test/support/testbed.ts'
import type { Balancer } from './balancer.ts'

const { keep, startFleet, startBalancer, close } = createTestbed()
afterEach(close)

function stateOf(balancer: Balancer, id: string): string | undefined {
  return balancer.upstreams().find((upstream) => upstream.id === id)?.state
}

describe('health', () => {
  it('takes a server out that answers checks with 500, and back in when it recovers', async () => {
    let status = 200
    const server = createHttpServer((_request, response) => response.writeHead(status).end()).listen(
      0,
      '127.0.0.1',
    )
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    const { balancer } = await startBalancer([{ id: 'A', url: `http://127.0.0.1:${port}` }])
    const heard: string[] = []
    balancer.on('down', ({ id, reason }) => heard.push(`${id} down: ${reason}`))
    balancer.on('up', ({ id }) => heard.push(`${id} up`))

    status = 500
    await until(() => stateOf(balancer, 'A') === 'down', 'A is down')
    status = 404
    await until(() => stateOf(balancer, 'A') === 'ready', 'A is ready')

    expect(heard).toEqual(['A down: the check was answered with 500', 'A up'])
    server.close()
    server.closeAllConnections()
  })

  it('asks another server when the connection was refused, whatever the method', async () => {
    const fleet = await startFleet('A', 'B')
    // Checks that never come again leave the discovery to the traffic.
    const { balancer, url } = await startBalancer(fleet, { checkInterval: 60_000 })
    const redispatches: unknown[] = []
    balancer.on('redispatch', ({ from, to }) => redispatches.push([from, to]))
    await fleet[0]?.close()

    const answers = [
      await fetch(url, { method: 'POST', body: 'tea' }),
      await fetch(url, { method: 'POST', body: 'tea' }),
    ]

    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(sorted(answers.map(({ headers }) => headers.get('x-routed-by')))).toEqual([
      'redispatch',
      'round-robin',
    ])
    expect(redispatches).toEqual([['A', 'B']])
    expect(stateOf(balancer, 'A')).toBe('down')
  })

  it('repeats a GET whose server died before it answered, and never a POST', async () => {
    const recorder = keep(await startRecorder((socket) => socket.destroy()))
    const { balancer, url } = await startBalancer([{ id: 'A', url: recorder.url }], {
      checkInterval: 60_000,
      fall: 9,
    })
    const [b] = await startFleet('B')
    const post = await fetch(url, { method: 'POST', body: 'tea' })
    await balancer.add({ id: 'B', url: b?.url ?? '' })

    const gets = [await fetch(url), await fetch(url)]
    const posts = [
      await fetch(url, { method: 'POST', body: 'tea' }),
      await fetch(url, { method: 'POST', body: 'tea' }),
    ]

    expect(post.status).toBe(502)
    expect(gets.map(({ status }) => status)).toEqual([200, 200])
    expect(sorted(posts.map(({ status }) => status))).toEqual([200, 502])
  })

  it('breaks an answer off that its server did not finish', async () => {
    const recorder = keep(
      await startRecorder((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbut')),
    )
    const { url } = await startBalancer([{ id: 'A', url: recorder.url }])

    const answer = await exchangeRaw(url, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')

    expect(answer).toMatch(/content-length: 100\r\n/i)
    expect(answer).toMatch(/\r\n\r\nbut$/)
  })

  it('says 504 when one answer takes too long', async () => {
    const silent = keep(await startRecorder(() => {}))
    const { url } = await startBalancer([{ id: 'A', url: silent.url }], { responseTimeout: 500 })

    const response = await fetch(url)

    expect(response.status).toBe(504)
    expect(response.headers.get('x-served-by')).toBe('balancer')
  })

  it.each([
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok'],
    [
      'a length and chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a NUL in a value', 'HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok'],
    ['a bare CR in a value', 'HTTP/1.1 200 OK\r\nx: a\rset-cookie: b\r\ncontent-length: 2\r\n\r\nok'],
    ['a control character in the reason', 'HTTP/1.1 200 O\x01K\r\ncontent-length: 2\r\n\r\nok'],
    ['a head of 100 kB', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`],
    [
      'an upgrade that nobody asked for',
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
    ],
    ['no HTTP', 'hello\r\n\r\n'],
  ])('says 502 when a server answers with %s', async (_what, reply) => {
    const broken = keep(await startRecorder(reply))
    const { url } = await startBalancer([{ id: 'A', url: broken.url }])

    const answer = await exchangeRaw(url, 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')

    expect(answer).toMatch(/^HTTP\/1\.1 502 /)
    expect(answer).toMatch(/x-served-by: balancer\r\n/)
  })

  it('drops informational answers', async () => {
    const early = keep(await startRecorder(`HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n${OK}`))
    const { url } = await startBalancer([{ id: 'A', url: early.url }])

    const answer = await exchangeRaw(url, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')

    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(answer).toMatch(/\r\n\r\nok$/)
  })
})
