import { once } from 'node:events'
import { createServer, IncomingMessage, ServerResponse } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, it } from 'vitest'
import { attachExchange } from '../session/exchange.ts'
import { NodeExchange } from './exchange.ts'
import { HeaderGate, prepareGate } from './header-gate.ts'

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: string
}

async function answerOf(
  handler: (response: ServerResponse, request: IncomingMessage) => unknown,
): Promise<Answer> {
  const server = createServer((request, response) => void handler(response, request)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    return { status: answer.status, headers: answer.headers, body: await answer.text() }
  } finally {
    server.close()
  }
}

/** Stands before a response, as an adapter puts it there. */
function gate(response: ServerResponse): HeaderGate {
  prepareGate(response)
  return addGate(response)
}

/** Makes the gate of a prepared response, as an adapter does when it is first needed. */
function addGate(response: ServerResponse): HeaderGate {
  const exchange = new NodeExchange(response.req, response)
  attachExchange(response.req, exchange)
  return (exchange.gate = new HeaderGate(response))
}

/** A hook that waits until it is let go. */
function createWait(): { hook: () => Promise<void>; go: () => void; fail: (error: unknown) => void } {
  let go = (): void => undefined
  let fail = (_error: unknown): void => undefined
  const wait = new Promise<void>((resolve, reject) => {
    go = resolve
    fail = reject
  })
  return { hook: () => wait, go, fail }
}

describe('prepareGate()', () => {
  it('holds an answer back until the hook is done', async () => {
    const wait = createWait()
    const seen: string[] = []

    const answer = await answerOf((response) => {
      gate(response).add(wait.hook)
      response.on('finish', () => seen.push('finished'))
      response.end('hello')
      setImmediate(() => {
        seen.push(`sent: ${response.headersSent}`)
        wait.go()
      })
    })

    expect(answer.body).toBe('hello')
    expect(seen).toEqual(['sent: false', 'finished'])
  })

  it('lets a hook add headers to an answer whose head was written by hand', async () => {
    const wait = createWait()

    const answer = await answerOf((response) => {
      gate(response).add(async () => {
        await wait.hook()
        response.setHeader('Set-Cookie', 'a=1')
      })
      response.writeHead(201, { 'X-Page': 'yes' })
      response.write('one ')
      response.end('two')
      wait.go()
    })

    expect(answer.status).toBe(201)
    expect(answer.headers.get('x-page')).toBe('yes')
    expect(answer.headers.getSetCookie()).toEqual(['a=1'])
    expect(answer.body).toBe('one two')
  })

  it('keeps a piped stream whole and in order', async () => {
    const chunks = Array.from({ length: 400 }, (_, at) => `${at}:${'x'.repeat(1000)};`)
    const wait = createWait()

    const answer = await answerOf(async (response) => {
      gate(response).add(wait.hook)
      setImmediate(wait.go)
      await pipeline(Readable.from(chunks), response)
    })

    expect(answer.body).toBe(chunks.join(''))
  })

  it('answers the error of a hook and nothing of what the application said', async () => {
    const wait = createWait()

    const answer = await answerOf((response) => {
      gate(response).add(wait.hook)
      response.setHeader('Set-Cookie', 'secret=1')
      response.setHeader('ETag', '"page"')
      response.setHeader('Content-Security-Policy', "default-src 'self'")
      response.writeHead(200, { 'X-Page': 'yes' })
      response.write('you are logged in')
      response.end()
      wait.fail(Object.assign(new Error('away'), { status: 503, headers: { 'Retry-After': '1' } }))
    })

    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(answer.headers.get('x-page')).toBeNull()
    expect(answer.headers.get('etag')).toBeNull()
    expect(answer.headers.get('content-security-policy')).toBe("default-src 'self'")
    expect(answer.headers.getSetCookie()).toEqual([])
    expect(answer.body).not.toContain('logged in')
  })

  it('swallows what is still written to an answer that was refused', async () => {
    const wait = createWait()

    const answer = await answerOf(async (response) => {
      gate(response).add(wait.hook)
      response.write('a')
      wait.fail(new Error('away'))
      await new Promise((resolve) => setImmediate(resolve))
      response.write('b')
      response.end('c')
    })

    expect(answer.status).toBe(500)
    expect(answer.body).not.toMatch(/[abc]{2,}b?$/)
  })

  it('runs its hooks once, whatever is called', async () => {
    let runs = 0

    const answer = await answerOf((response) => {
      gate(response).add(() => {
        runs++
        return undefined
      })
      response.flushHeaders()
      response.write('a')
      response.end('b')
    })

    expect(answer.body).toBe('ab')
    expect(runs).toBe(1)
  })

  it('holds an answer back whose method was looked up before the hook was added', async () => {
    const wait = createWait()

    const answer = await answerOf((response) => {
      prepareGate(response)
      const end = Reflect.get(response, 'end') as (chunk: string) => void
      addGate(response).add(async () => {
        await wait.hook()
        response.setHeader('Set-Cookie', 'a=1')
      })
      end.call(response, 'hello')
      setImmediate(wait.go)
    })

    expect(answer.body).toBe('hello')
    expect(answer.headers.getSetCookie()).toEqual(['a=1'])
  })

  it('calls what another middleware had wrapped before', async () => {
    const wait = createWait()

    const answer = await answerOf((response) => {
      const end = response.end.bind(response) as (chunk?: unknown) => ServerResponse
      response.end = ((chunk: unknown) => end(`${String(chunk)}?`)) as ServerResponse['end']
      gate(response).add(wait.hook)
      response.end('hello')
      setImmediate(wait.go)
    })

    expect(answer.body).toBe('hello?')
  })

  it('holds back what was wrapped before on a framework of its own prototype, for every answer', async () => {
    const framework = Object.create(ServerResponse.prototype) as object
    const bodies: string[] = []

    for (let round = 0; round < 3; round++) {
      const wait = createWait()
      const answer = await answerOf((response) => {
        Object.setPrototypeOf(response, framework)
        const end = response.end.bind(response) as (chunk?: unknown) => ServerResponse
        response.end = ((chunk: unknown) => end(`${String(chunk)}?`)) as ServerResponse['end']
        gate(response).add(async () => {
          await wait.hook()
          response.setHeader('Set-Cookie', 'a=1')
        })
        response.end('hello')
        setImmediate(wait.go)
      })
      bodies.push(`${answer.body} ${answer.headers.getSetCookie().join()}`)
    }

    expect(bodies).toEqual(['hello? a=1', 'hello? a=1', 'hello? a=1'])
  })

  it.for([
    ['another request', { method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 }],
    ['none', undefined],
  ] as const)('holds an answer back that was made for %s, as where requests are injected', ([, req]) => {
    const request = new IncomingMessage(new Socket())
    const response = new ServerResponse({ method: 'GET' } as IncomingMessage)
    Object.assign(response, { req })
    const exchange = new NodeExchange(request, response)
    attachExchange(request, exchange)
    const seen: string[] = []

    exchange.beforeHeaders(() => {
      seen.push(`sent: ${response.headersSent}`)
      return undefined
    })
    response.end('hello')

    expect(seen).toEqual(['sent: false'])
    expect(response.headersSent).toBe(true)
  })

  it('holds nothing back any more when the answer has begun', async () => {
    const seen: unknown[] = []

    const answer = await answerOf((response, request) => {
      const exchange = new NodeExchange(request, response)
      attachExchange(request, exchange)
      seen.push(exchange.headersSent)
      response.write('hel')
      seen.push(
        exchange.headersSent,
        exchange.beforeHeaders(() => void seen.push('called')),
      )
      response.end('lo')
    })

    expect(answer.body).toBe('hello')
    expect(seen).toEqual([false, true, false])
  })

  it('holds nothing back for a listener that is called while the headers leave', async () => {
    const seen: unknown[] = []

    const answer = await answerOf((response, request) => {
      const exchange = new NodeExchange(request, response)
      attachExchange(request, exchange)
      const writeHead = response.writeHead.bind(response)
      response.writeHead = (status: number) => {
        seen.push(
          exchange.headersSent,
          exchange.beforeHeaders(() => Promise.resolve(void seen.push('called'))),
        )
        return writeHead(status)
      }
      response.end('hello')
    })

    expect(answer.body).toBe('hello')
    expect(seen).toEqual([true, false])
  })

  it('still holds an answer back whose first attempt Node has refused', async () => {
    const wait = createWait()
    const seen: unknown[] = []

    const answer = await answerOf((response, request) => {
      const exchange = new NodeExchange(request, response)
      attachExchange(request, exchange)
      expect(() => response.writeHead(9999)).toThrow(RangeError)
      seen.push(exchange.headersSent, exchange.beforeHeaders(wait.hook))
      response.writeHead(500).end('sorry')
      setImmediate(() => {
        seen.push(`sent: ${response.headersSent}`)
        wait.go()
      })
    })

    expect(answer).toMatchObject({ status: 500, body: 'sorry' })
    expect(seen).toEqual([false, true, 'sent: false'])
  })

  it('leaves an answer without a request alone as long as nothing is to be stored', () => {
    const response = new ServerResponse({ method: 'GET' } as IncomingMessage)
    Object.assign(response, { req: undefined })

    prepareGate(response)
    response.end('hello')

    expect(response.headersSent).toBe(true)
  })

  it('prepares a response once, whoever asks', async () => {
    const answer = await answerOf((response) => {
      prepareGate(response)
      prepareGate(response)
      response.end('hello')
    })

    expect(answer.body).toBe('hello')
  })

  it('is shut as soon as the answer is decided', async () => {
    const wait = createWait()
    const states: boolean[] = []

    await answerOf((response) => {
      const shut = gate(response)
      shut.add(wait.hook)
      states.push(shut.isShut)
      response.end('x')
      states.push(shut.isShut)
      wait.go()
    })

    expect(states).toEqual([false, true])
  })

  it('works below a middleware that wraps the response in turn', async () => {
    const wait = createWait()

    const answer = await answerOf((response) => {
      gate(response).add(wait.hook)
      const end = response.end.bind(response) as (chunk?: unknown) => ServerResponse
      response.end = ((chunk: unknown) => end(`${String(chunk)}!`)) as ServerResponse['end']
      response.end('hello')
      setImmediate(wait.go)
    })

    expect(answer.body).toBe('hello!')
  })
})
