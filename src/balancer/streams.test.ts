import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import {
  OK,
  type Recorder,
  connectTo,
  exchangeRaw,
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

describe('the head that the application gets', () => {
  it('says who the client is, whatever the client says', async () => {
    const { recorder, url } = await startRecording()
    const lies =
      'X-Forwarded-For: 6.6.6.6\r\nX-FORWARDED-PROTO: https\r\nx-forwarded-host: evil\r\nX-Forwarded-Port: 1\r\n' +
      'X-Forwarded-Server: evil\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Served-By: A\r\nX-Routed-By: cookie\r\n'

    await exchangeRaw(
      url,
      `GET /a?b=c HTTP/1.1\r\nHost: shop.example:8080\r\n${lies}Connection: close\r\n\r\n`,
    )

    expect(recorder.received().split('\r\n')).toEqual([
      'GET /a?b=c HTTP/1.1',
      'host: shop.example:8080',
      'connection: keep-alive',
      'x-forwarded-for: 127.0.0.1',
      'x-forwarded-proto: http',
      'x-forwarded-host: shop.example:8080',
      'x-forwarded-port: 8080',
      '',
      '',
    ])
  })

  it('loses what belongs to one connection, and what Connection lists, but nothing of the balancer', async () => {
    const { recorder, url } = await startRecording()
    const headers =
      'Connection: close, X-Secret, X-Forwarded-For, Cookie\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\n' +
      'TE: trailers\r\nTrailer: X\r\nProxy-Authorization: Basic eA==\r\nX-Secret: 1\r\nCookie: a=1\r\nX-Kept: 1\r\n'

    await exchangeRaw(url, `GET / HTTP/1.1\r\nHost: a\r\n${headers}\r\n`)

    expect(recorder.received()).not.toMatch(/secret|keep-alive:|proxy|^te:|trailer|cookie|close/im)
    expect(recorder.received()).toContain('X-Kept: 1\r\n')
    expect(recorder.received()).toContain('x-forwarded-for: 127.0.0.1\r\n')
  })

  it('keeps names, order and repetitions of the other headers', async () => {
    const { recorder, url } = await startRecording()

    await exchangeRaw(
      url,
      'GET / HTTP/1.1\r\nHost: a\r\nX-b: 1\r\nx-A: 2\r\nX-b: \xe9\r\nConnection: close\r\n\r\n',
    )

    expect(recorder.received()).toContain('X-b: 1\r\nx-A: 2\r\nX-b: \xe9\r\n')
  })
})

describe('the head that the client gets', () => {
  it('loses what belongs to one connection, and what Connection lists', async () => {
    const { url } = await startRecording(
      'HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Secret\r\nKeep-Alive: timeout=99\r\nX-Secret: 1\r\n' +
        'X-Served-By: Z\r\nx-routed-by: Z\r\nUpgrade: h2c\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok',
    )

    const answer = await exchangeRaw(url, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')

    expect(answer).toMatch(/^HTTP\/1\.1 200 Fine\r\n/)
    expect(answer).not.toMatch(/secret|timeout=99|: Z|h2c/i)
    expect(answer).toContain('Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n')
    expect(answer).toContain('x-served-by: A\r\nx-routed-by: round-robin\r\n')
  })

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n', /Content-Length: 1234\r\n/],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', /^HTTP\/1\.1 204 No Content\r\n/],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n', /ETag: "1"\r\n/],
  ])('ends the answer to %s %j without a body', async (method, reply, head) => {
    const { url } = await startRecording(reply)

    const answers = await exchangeRaw(
      url,
      `${method} / HTTP/1.1\r\nHost: a\r\n\r\n${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    )

    expect(answers).toMatch(head)
    expect(answers).not.toMatch(/transfer-encoding/i)
    expect(answers.match(/^HTTP\/1\.1 /gm)).toHaveLength(2)
    expect(answers).toMatch(/\r\n\r\n$/)
  })

  it('is understood by a client of HTTP/1.0', async () => {
    const { url } = await startWith((_request, response) => {
      response.write('in ')
      response.end('pieces')
    })

    const answer = await exchangeRaw(url, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n')

    expect(answer).not.toMatch(/transfer-encoding/i)
    expect(answer).toMatch(/\r\n\r\nin pieces$/)
  })
})

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

    // Kernel buffers take some megabytes; then the application must come to a halt.
    let last = -1
    await until(() => {
      const halted = written > 0 && written === last
      last = written
      return halted
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
