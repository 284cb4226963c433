import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import {
  OK,
  type Recorder,
  connectTo,
  startApplication,
  startRecorder,
  until,
} from '../../test/support/raw-http.ts'
import { type Balancer, createBalancer } from './balancer.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function startInFrontOf(url: string): Promise<{ readonly balancer: Balancer; readonly url: string }> {
  const balancer = createBalancer([{ id: 'A', url }])
  cleanups.push(() => balancer.close({ grace: 0 }))
  return { balancer, url: (await balancer.listen({ port: 0 })).url }
}

async function startWith(
  listener: RequestListener,
): Promise<{ readonly balancer: Balancer; readonly url: string }> {
  const application = await startApplication('A', listener)
  cleanups.push(() => application.close())
  return await startInFrontOf(application.url)
}

async function startRecording(reply?: Parameters<typeof startRecorder>[0]): Promise<{
  readonly recorder: Recorder
  readonly url: string
}> {
  const recorder = await startRecorder(reply)
  cleanups.push(() => recorder.close())
  return { recorder, url: (await startInFrontOf(recorder.url)).url }
}

describe('bodies', () => {
  it('arrive complete both ways, byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) % 256))
    const { url } = await startWith((request, response) => {
      request.pipe(response)
    })

    const chunked = await fetch(url, { method: 'POST', body: new Blob([bytes]).stream(), duplex: 'half' })
    const sized = await fetch(url, { method: 'PUT', body: bytes.subarray(0, 257) })

    expect(Buffer.compare(Buffer.from(await chunked.arrayBuffer()), bytes)).toBe(0)
    expect(Buffer.compare(Buffer.from(await sized.arrayBuffer()), bytes.subarray(0, 257))).toBe(0)
  })

  it('keep small binary answers byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const { url } = await startWith((_request, response) => {
      response.setHeader('content-length', bytes.length).end(bytes)
    })

    const answer = await fetch(url)

    expect(Buffer.compare(Buffer.from(await answer.arrayBuffer()), bytes)).toBe(0)
  })

  it('do not pile up when the client is slow', async () => {
    let written = 0
    const { url } = await startWith((_request, response) => {
      const chunk = Buffer.alloc(65_536)
      const write = (): void => {
        while (written < 200_000_000) {
          written += chunk.length
          if (!response.write(chunk)) return void response.once('drain', write)
        }
        response.end()
      }
      write()
    })
    const client = await connectTo(url)
    client.pause()
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')

    // Kernel buffers take some megabytes; then the application must come to a halt, and stay there.
    let last = -1
    let still = 0
    await until(() => {
      still = written > 0 && written === last ? still + 1 : 0
      last = written
      return still > 50
    }, 'the application waits')

    expect(written).toBeLessThan(50_000_000)
    client.destroy()
  })

  it('do not pile up when the application is slow', async () => {
    const { url } = await startWith((request) => {
      request.pause()
    })
    const client = await connectTo(url)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000000\r\n\r\n')
    const chunk = Buffer.alloc(65_536)

    let sent = 0
    while (sent < 200_000_000 && client.write(chunk)) sent += chunk.length
    for (let waits = 0; waits < 3_000 && client.writableLength < 1_000_000; waits++) {
      client.write(chunk)
      sent += chunk.length
      if (waits % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }

    expect(client.writableLength).toBeGreaterThan(0)
    expect(sent).toBeLessThan(150_000_000)
    client.destroy()
  })

  it('may be answered before they are complete', async () => {
    const { balancer, url } = await startWith((_request, response) => {
      response.writeHead(413, { connection: 'close' }).end('too large')
    })

    const client = await connectTo(url)
    let answer = ''
    client.on('data', (chunk) => {
      answer += chunk.toString()
    })
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc')

    await until(() => answer.includes('too large'), 'the answer is there')
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    client.destroy()
    await until(() => balancer.upstreams()[0]?.active === 0, 'the exchange is over')
    expect(balancer.upstreams()[0]?.healthy).toBe(true)
  })

  it('are asked for only when a server wants them', async () => {
    const { recorder, url } = await startRecording((socket, head) => {
      if (head.includes('tea')) socket.write(OK)
    })
    const client = await connectTo(url)
    client.setEncoding('latin1')
    client.write(
      'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 7\r\nConnection: close\r\n\r\n',
    )

    const [first] = await once(client, 'data')
    client.write('tea\r\n\r\n')
    const [second] = await once(client, 'data')

    expect(first).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    expect(second).toMatch(/^HTTP\/1\.1 200 /)
    expect(recorder.received()).not.toMatch(/expect/i)
  })

  it('are not asked for when there is no server', async () => {
    const balancer = createBalancer([])
    cleanups.push(() => balancer.close())
    const { url } = await balancer.listen({ port: 0 })
    const client = await connectTo(url)
    client.setEncoding('latin1')
    client.write('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n')

    const [first] = await once(client, 'data')

    expect(first).toMatch(/^HTTP\/1\.1 503 /)
    client.destroy()
  })

  it('that the client abandons halfway do not count against the server', async () => {
    const { balancer, url } = await startWith((request) => {
      request.resume()
    })
    for (let i = 0; i < 5; i++) {
      const client = await connectTo(url)
      client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc')
      await until(() => balancer.upstreams()[0]?.active === 1, 'the request is in flight')
      client.destroy()
      await until(() => balancer.upstreams()[0]?.active === 0, 'the request is over')
    }

    expect(balancer.upstreams()[0]?.healthy).toBe(true)
  })
})

describe('server-sent events', () => {
  it('arrive one by one, and their head before the first', async () => {
    let send = (_text: string): void => {}
    const { url } = await startWith((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      send = (text) => void response.write(`data: ${text}\n\n`)
    })

    const response = await fetch(url)
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    send('one')
    const one = await reader?.read()
    send('two')
    const two = await reader?.read()

    expect([one?.value, two?.value]).toEqual(['data: one\n\n', 'data: two\n\n'])
    await reader?.cancel()
  })
})
