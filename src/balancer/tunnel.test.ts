import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { connectTo, exchangeRaw, startRecorder, until } from '../../test/support/raw-http.ts'
import { type Balancer, type BalancerOptions, createBalancer } from './balancer.ts'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const ACCEPT = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
const HANDSHAKE =
  'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n' +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Protocol: chat\r\nCookie: session=1\r\n\r\n`
const AGREED =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  `Sec-WebSocket-Accept: ${ACCEPT}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(
  reply: string | ((socket: Socket, head: string) => void),
  options: BalancerOptions = {},
): Promise<{ readonly balancer: Balancer; readonly url: string; readonly received: () => string }> {
  const recorder = await startRecorder(reply)
  cleanups.push(() => recorder.close())
  const balancer = createBalancer([{ id: 'A', url: recorder.url }], options)
  cleanups.push(() => balancer.close({ grace: 0 }))
  return { balancer, url: (await balancer.listen({ port: 0 })).url, received: recorder.received }
}

/** Agrees to the handshake, then returns every byte. */
function echo(socket: Socket, head: string): void {
  if (!head.startsWith('GET /chat')) return
  socket.removeAllListeners('data')
  socket.write(AGREED)
  socket.on('data', (chunk) => socket.write(chunk, 'latin1'))
}

describe('WebSockets', () => {
  it('pass both ways, with the affinity cookie set on the way in', async () => {
    const { balancer, url, received } = await start(echo, {
      routing: 'sticky',
      secrets: ['a secret of more than thirty-two bytes'],
      allowInsecureCookie: true,
    })
    const client = await connectTo(url)
    client.setEncoding('latin1')
    client.write(HANDSHAKE)
    const [head] = await once(client, 'data')

    client.write('\x81\x85\x00\x00\x00\x00hello', 'latin1')
    const [frame] = await once(client, 'data')

    expect(head).toMatch(
      /^HTTP\/1\.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n/,
    )
    expect(head).toContain(`Sec-WebSocket-Accept: ${ACCEPT}\r\nSec-WebSocket-Protocol: chat\r\n`)
    expect(head).toMatch(/x-served-by: A\r\nx-routed-by: new\r\nset-cookie: affinity=A\./)
    expect(frame).toBe('\x81\x85\x00\x00\x00\x00hello')
    expect(received()).toMatch(
      /^GET \/chat HTTP\/1\.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n/,
    )
    expect(received()).toContain('Cookie: session=1\r\n')
    expect(balancer.upstreams()[0]?.active).toBe(1)
    client.destroy()
    await until(() => balancer.upstreams()[0]?.active === 0, 'the WebSocket is gone')
  })

  it('end on the client when they end on the server', async () => {
    let serverSide: Socket | undefined
    const { balancer, url } = await start((socket, head) => {
      serverSide = socket
      echo(socket, head)
    })
    const client = await connectTo(url)
    client.write(HANDSHAKE)
    await once(client, 'data')

    serverSide?.end('\x88\x00')

    await once(client, 'close')
    await until(() => balancer.upstreams()[0]?.active === 0, 'the WebSocket is gone')
    expect(client.destroyed).toBe(true)
  })

  it('are reported when they end', async () => {
    const { balancer, url } = await start(echo)
    const entries: unknown[] = []
    balancer.on('request', (entry) => entries.push(entry))
    const client = await connectTo(url)
    client.write(HANDSHAKE)
    await once(client, 'data')

    client.destroy()

    await until(() => entries.length === 1, 'the entry is there')
    expect(entries).toMatchObject([{ path: '/chat', status: 101, server: 'A', cookie: 'session=1' }])
  })

  it('send nothing that follows the handshake before the server has agreed', async () => {
    let agree = (): void => {}
    const { url, received } = await start((socket) => {
      agree = () => void socket.write(AGREED)
    })
    const client = await connectTo(url)
    client.write(`${HANDSHAKE}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`)
    await until(() => received() !== '', 'the handshake has arrived')

    expect(received()).not.toContain('smuggled')
    agree()
    await until(() => received().includes('smuggled'), 'the early bytes have arrived')
    client.destroy()
  })

  it('pass a refusal of the server on, and end there', async () => {
    const { url, received } = await start('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 4\r\n\r\nno\r\n')

    const answer = await exchangeRaw(url, `${HANDSHAKE}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`)

    expect(answer).toMatch(/^HTTP\/1\.1 426 /)
    expect(answer).toMatch(/x-served-by: A\r\n/)
    expect(answer.match(/^HTTP\//gm)).toHaveLength(1)
    expect(received()).not.toContain('smuggled')
  })

  it('are not opened by an agreement that answers another handshake', async () => {
    const { url, received } = await start(AGREED.replace(ACCEPT, 'AAAAAAAAAAAAAAAAAAAAAAAAAAA='))

    const answer = await exchangeRaw(url, `${HANDSHAKE}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`)

    expect(answer).toMatch(/^HTTP\/1\.1 502 /)
    expect(received()).not.toContain('smuggled')
  })

  it('go to another server when one cannot be reached', async () => {
    const { balancer, url } = await start(echo, { checkInterval: 60_000 })
    const gone = await startRecorder()
    await balancer.add({ id: 'B', url: gone.url })
    await gone.close()
    const clients = await Promise.all([connectTo(url), connectTo(url)])

    for (const client of clients) client.write(HANDSHAKE)
    const heads = await Promise.all(clients.map(async (client) => String((await once(client, 'data'))[0])))

    expect(heads.every((head) => head.startsWith('HTTP/1.1 101 '))).toBe(true)
    expect(heads.filter((head) => head.includes('x-routed-by: redispatch'))).toHaveLength(1)
    for (const client of clients) client.destroy()
  })
})
