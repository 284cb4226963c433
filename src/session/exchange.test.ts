import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { attachExchange, exchangeOf, type HttpExchange } from './exchange.ts'

const createRequest = (): IncomingMessage => new IncomingMessage(new Socket())
/** Only which one it is counts here. */
const createExchange = (): HttpExchange => ({ path: '/' }) as HttpExchange

describe('exchangeOf()', () => {
  it('finds the exchange of a request, and the first one when several were attached', () => {
    const request = createRequest()
    const exchange = createExchange()

    attachExchange(request, exchange)
    attachExchange(request, createExchange())

    expect(exchangeOf(request)).toBe(exchange)
    expect(exchangeOf(createRequest())).toBeUndefined()
  })

  it('finds the exchange of a request that has no list of headers', () => {
    const context = {}
    const exchange = createExchange()

    attachExchange(context, exchange)

    expect(exchangeOf(context)).toBe(exchange)
    expect(exchangeOf({})).toBeUndefined()
  })

  it.for([
    ['a proxy', (request: IncomingMessage) => new Proxy(request, {})],
    [
      'an object with the request as prototype',
      (request: IncomingMessage) => Object.create(request) as object,
    ],
  ] as const)('finds the exchange of %s', ([, wrap]) => {
    const request = createRequest()
    const exchange = createExchange()

    attachExchange(request, exchange)

    expect(exchangeOf(wrap(request))).toBe(exchange)
  })

  it('keeps requests apart that share one list of headers, as those of tests may', () => {
    const rawHeaders = ['Host', 'shop.example']
    const requests = Array.from({ length: 3 }, () => Object.assign(createRequest(), { rawHeaders }))
    const exchanges = requests.map(createExchange)

    for (const [at, request] of requests.entries()) attachExchange(request, exchanges[at] as HttpExchange)

    expect(requests.map(exchangeOf)).toEqual(exchanges)
    expect(new Set(requests.map(exchangeOf)).size).toBe(3)
  })
})
