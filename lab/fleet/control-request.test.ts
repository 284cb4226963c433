import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { readJson, refuseForeign } from './control-request.ts'

const hosts = ['127.0.0.1:4000', 'localhost:4000']

describe('refuseForeign()', () => {
  it.each([
    ['a program', { host: '127.0.0.1:4000' }],
    [
      'the dashboard',
      { host: 'localhost:4000', origin: 'http://localhost:4000', 'sec-fetch-site': 'same-origin' },
    ],
    ['an address typed into a browser', { host: '127.0.0.1:4000', 'sec-fetch-site': 'none' }],
    [
      'a link on another page',
      { host: '127.0.0.1:4000', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
    ],
  ])('lets %s in', (_who, headers) => {
    const attempt = () => refuseForeign({ headers }, hosts)

    expect(attempt).not.toThrow()
  })

  it.each([
    ['no host', {}],
    ['a name that was rebound to loopback', { host: 'evil.example:4000' }],
    ['the right host on another port', { host: '127.0.0.1:4001' }],
    ['a page of another origin', { host: '127.0.0.1:4000', origin: 'http://evil.example' }],
    ['a page of the shop', { host: '127.0.0.1:4000', origin: 'http://127.0.0.1:4001' }],
    ['a sandboxed page', { host: '127.0.0.1:4000', origin: 'null' }],
    [
      'an image on another page',
      { host: '127.0.0.1:4000', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
    ],
    [
      'a form on another page',
      {
        host: '127.0.0.1:4000',
        origin: 'http://evil.example',
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
      },
    ],
  ])('refuses %s', (_who, headers) => {
    const attempt = () => refuseForeign({ headers }, hosts)

    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_FOREIGN_ORIGIN' }))
  })
})

describe('readJson()', () => {
  it('reads an object, in as many pieces as it comes', async () => {
    const body = await readJson(Readable.from([Buffer.from('{"name":"sq'), Buffer.from('lite"}')]))

    expect(body).toEqual({ name: 'sqlite' })
  })

  it('takes an empty body for an empty object', async () => {
    const body = await readJson(Readable.from([]))

    expect(body).toEqual({})
  })

  it.each(['{', '[]', '"text"', 'null', '7'])('refuses %s', async (text) => {
    const attempt = readJson(Readable.from([Buffer.from(text)]))

    await expect(attempt).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST' })
  })

  it('refuses a body that is too long without reading all of it', async () => {
    let pieces = 0
    async function* endless() {
      while (true) {
        pieces++
        yield Buffer.alloc(1_024, ' ')
      }
    }

    const attempt = readJson(endless())

    await expect(attempt).rejects.toMatchObject({ code: 'ERR_TOO_LARGE' })
    expect(pieces).toBe(65)
  })
})
