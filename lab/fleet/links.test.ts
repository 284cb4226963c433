import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openLinks } from './links.ts'

/** An engine that repeats what it hears. */
async function startEcho(): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

async function createTrial(hasFeed = true) {
  const port = await startEcho()
  const links = await openLinks([{ name: 'redis', port }], { url: `redis://127.0.0.1:${port}` }, hasFeed)
  onTestFinished(() => links.close())
  return { port, links, store: await call(links.addresses.url), feed: await call(links.feedAddresses.url) }
}

/** Connects, and gives a call that resolves to whether the answer came within a while, and how long that took. */
async function call(url = '') {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return { socket, answers: (within?: number) => answers(socket, within) }
}

async function answers(socket: Socket, within = 100): Promise<boolean> {
  socket.write('?')
  return await Promise.race([once(socket, 'data').then(() => true), delay(within, false)])
}

describe('openLinks()', () => {
  it('leads to each engine, whatever its address looks like', async () => {
    const [one, other] = [await startEcho(), await startEcho()]
    const nodes = [one, other].map((port) => ({ host: '127.0.0.1', port }))

    const links = await openLinks(
      [
        { name: 'one', port: one },
        { name: 'other', port: other },
      ],
      {
        url: `postgresql://postgres:secret@127.0.0.1:${one}/postgres`,
        standbyUrl: `postgresql://postgres@127.0.0.1:${other}/postgres`,
        servers: [`nats://127.0.0.1:${one}`, `nats://127.0.0.1:${other}`],
        nodes,
        masterName: 'primary',
      },
      false,
    )
    onTestFinished(() => links.close())
    const ports = links.engines.map(({ port }) => port)
    const [first, second] = ports
    const linked = ports.map((port) => ({ host: '127.0.0.1', port }))

    expect(new Set([one, other, ...ports]).size).toBe(4)
    expect(links.engines.map(({ name }) => name)).toEqual(['one', 'other'])
    expect(links.addresses).toEqual({
      url: `postgresql://postgres:secret@127.0.0.1:${first}/postgres`,
      standbyUrl: `postgresql://postgres@127.0.0.1:${second}/postgres`,
      servers: [`nats://127.0.0.1:${first}`, `nats://127.0.0.1:${second}`],
      nodes: linked,
      masterName: 'primary',
      nodeAddressMap: { [`127.0.0.1:${one}`]: linked[0], [`127.0.0.1:${other}`]: linked[1] },
    })
    expect(links.feedAddresses).toEqual(links.addresses)
    await expect((await call(links.addresses.url)).answers(2_000)).resolves.toBe(true)
  })

  it('lets nothing through while they are cut, and everything once they are healed', async () => {
    const { links, store, feed } = await createTrial()
    const before = [links.state, await store.answers(2_000), await feed.answers(2_000)]

    links.act('cut')
    const cut = [links.state, await store.answers(), await feed.answers()]
    links.act('heal')
    const healed = [links.state, await store.answers(2_000), await feed.answers(2_000)]

    expect(before).toEqual(['whole', true, true])
    expect(cut).toEqual(['cut', false, false])
    expect(healed).toEqual(['whole', true, true])
  })

  it.each([
    ['store', false, true],
    ['feed', true, false],
  ] as const)('cuts the channel "%s" alone', async (channel, storeAnswers, feedAnswers) => {
    const { links, store, feed } = await createTrial()

    links.act('cut', { channel })

    expect(links.state).toBe('cut')
    expect([await store.answers(300), await feed.answers(300)]).toEqual([storeAnswers, feedAnswers])
  })

  it('cuts one way only when asked to', async () => {
    const { links, store } = await createTrial()

    links.act('cut', { direction: 'to-store' })
    links.act('heal')
    links.act('cut', { direction: 'from-store' })
    const answered = await store.answers()
    const late = once(store.socket, 'data')
    links.act('heal')
    const [data] = (await late) as [Buffer]

    expect([answered, data.toString()]).toEqual([false, '?'])
  })

  it('breaks the connections when it is asked to sever them, and lets nothing through afterwards', async () => {
    const { links, store } = await createTrial()
    const broken = new Promise((resolve) => store.socket.once('close', resolve))

    links.act('cut', { sever: true })
    await broken
    const again = await call(links.addresses.url)

    await expect(again.answers()).resolves.toBe(false)
  })

  it('is slow by so many milliseconds from a question to its answer', async () => {
    const { links, store } = await createTrial()
    await store.answers(2_000)

    links.act('slow', { milliseconds: 200 })
    const startedAt = performance.now()
    const answered = await store.answers(5_000)
    const elapsed = performance.now() - startedAt

    expect([links.state, answered]).toEqual(['slow', true])
    expect(elapsed).toBeGreaterThanOrEqual(195)
  })
})
