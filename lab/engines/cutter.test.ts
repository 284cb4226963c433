import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createCutter } from './cutter.ts'

/** A server that remembers what it got and answers each message with it, and a cutter before it. */
async function createTrial() {
  const received: string[] = []
  const accepted: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket)
    socket.setEncoding('utf8').on('error', () => undefined)
    socket.on('data', (text: string) => {
      received.push(text)
      socket.write(`re ${text}`)
    })
    socket.on('end', () => socket.end())
  })
  server.listen({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const cutter = await createCutter({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  onTestFinished(async () => {
    await cutter.close()
    server.close()
  })

  return {
    cutter,
    received,
    accepted,
    async join() {
      const socket = connect({ host: '127.0.0.1', port: cutter.port })
      const answers: string[] = []
      const ends: string[] = []
      socket.setEncoding('utf8').on('data', (text: string) => answers.push(text))
      socket.on('end', () => ends.push('end'))
      socket.on('error', (error: NodeJS.ErrnoException) => ends.push(error.code ?? ''))
      onTestFinished(() => void socket.destroy())
      await once(socket, 'connect')
      return { socket, answers, ends }
    },
  }
}

/** Long enough on loopback for everything that is going to arrive. */
const SILENCE = 100

describe('createCutter()', () => {
  it('carries both ways, and the end of a connection', async () => {
    const { received, join } = await createTrial()
    const { socket, answers, ends } = await join()

    socket.write('a')
    await expect.poll(() => answers).toEqual(['re a'])
    socket.end('b')

    await expect.poll(() => ends).toEqual(['end'])
    expect(received).toEqual(['a', 'b'])
    expect(answers).toEqual(['re a', 're b'])
  })

  it('carries more than a window, in order, to a reader that is slow', async () => {
    const { cutter, received, join } = await createTrial()
    const { socket, answers } = await join()
    const text = Array.from({ length: 400_000 }, (_, index) => index).join()

    cutter.cut('from-server')
    socket.write(text)
    await expect.poll(() => received.join('').length).toBeGreaterThan(0)
    cutter.heal()

    await expect.poll(() => answers.join('').replaceAll('re ', '').length).toBe(text.length)
    expect(answers.join('').replaceAll('re ', '')).toBe(text)
  })

  it('falls silent towards the server alone', async () => {
    const { cutter, received, accepted, join } = await createTrial()
    const { socket, answers } = await join()
    socket.write('a')
    await expect.poll(() => answers).toEqual(['re a'])

    cutter.cut('to-server')
    socket.write('b')
    accepted[0]?.write('news')
    await expect.poll(() => answers).toEqual(['re a', 'news'])
    const late = await join()
    await delay(SILENCE)
    const meanwhile = [...received]
    cutter.heal()

    expect(meanwhile).toEqual(['a'])
    await expect.poll(() => answers).toEqual(['re a', 'news', 're b'])
    late.socket.write('c')
    await expect.poll(() => late.answers).toEqual(['re c'])
  })

  it('falls silent from the server alone', async () => {
    const { cutter, received, join } = await createTrial()
    const { socket, answers } = await join()

    cutter.cut('from-server')
    socket.write('a')
    await expect.poll(() => received).toEqual(['a'])
    await delay(SILENCE)
    const meanwhile = [...answers]
    cutter.heal()

    expect(meanwhile).toEqual([])
    await expect.poll(() => answers).toEqual(['re a'])
  })

  it('tells nobody of the end of the other side while it is cut', async () => {
    const { cutter, accepted, join } = await createTrial()
    const { socket, answers, ends } = await join()
    socket.write('a')
    await expect.poll(() => answers).toEqual(['re a'])

    cutter.cut()
    accepted[0]?.resetAndDestroy()
    await delay(SILENCE)
    const meanwhile = [...ends]
    cutter.heal()

    expect(meanwhile).toEqual([])
    await expect.poll(() => ends).toEqual(['ECONNRESET'])
  })

  it('breaks every connection on both sides, and lets new ones through', async () => {
    const { cutter, accepted, join } = await createTrial()
    const { socket, answers, ends } = await join()
    socket.write('a')
    await expect.poll(() => answers).toEqual(['re a'])

    cutter.sever()
    await expect.poll(() => ends).toEqual(['ECONNRESET'])
    await expect.poll(() => accepted[0]?.destroyed).toBe(true)
    const next = await join()
    next.socket.write('b')

    await expect.poll(() => next.answers).toEqual(['re b'])
  })

  it('delays each direction, without making many messages wait for each other', async () => {
    const { cutter, join } = await createTrial()
    const { socket, answers } = await join()
    const startedAt = performance.now()

    cutter.delay(100)
    for (const letter of 'abcde') {
      socket.write(letter)
      await delay(10)
    }
    await expect.poll(() => answers.join(''), { interval: 5 }).toMatch(/e$/)
    const taken = performance.now() - startedAt

    expect(taken).toBeGreaterThan(235)
    expect(taken).toBeLessThan(600)
    expect(answers.join('').replaceAll('re ', '')).toBe('abcde')
  })

  it('breaks the connection to a client when the server refuses it', async () => {
    const cutter = await createCutter({ host: '127.0.0.1', port: 1 })
    onTestFinished(() => cutter.close())

    const closed = once(connect({ host: '127.0.0.1', port: cutter.port }), 'close')

    await expect(closed).rejects.toThrow('ECONNRESET')
  })
})
