import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { startShop } from './testing/shop-trial.ts'

const ada = { username: 'ada', password: 'correct horse battery' }

/** As `fetch`, with headers that it would not let through. */
function send(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    httpRequest(url, { method, headers }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode))
    })
      .once('error', reject)
      .end()
  })
}

describe('refuseCrossSite()', () => {
  it.each([
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['another host of this site', { 'sec-fetch-site': 'same-site' }],
    ['an older browser on another site', { origin: 'https://evil.example' }],
    ['a frame without an origin', { origin: 'null' }],
    ['another port of this host', { origin: 'http://127.0.0.1:1' }],
  ])('refuses a change that comes from %s', async (_title, headers) => {
    const { open, url } = await startShop()
    const browser = open()
    await browser.post('/register', ada)

    const statuses = [
      await send('POST', `${url}/logout`, { ...headers, cookie: `session=${browser.session}` }),
      await send('DELETE', `${url}/sessions`, { ...headers, cookie: `session=${browser.session}` }),
    ]

    expect(statuses).toEqual([403, 403])
    expect((await browser.get('/me')).status).toBe(200)
  })

  it('lets pages of its own, older browsers on them, and scripts without a browser through', async () => {
    const { url } = await startShop()

    const statuses = [
      await send('POST', `${url}/logout`, { 'sec-fetch-site': 'same-origin', origin: url }),
      await send('POST', `${url}/logout`, { 'sec-fetch-site': 'none' }),
      await send('POST', `${url}/logout`, { origin: url }),
      await send('POST', `${url}/logout`, {
        origin: 'http://shop.example',
        'x-forwarded-host': 'shop.example',
      }),
      await send('POST', `${url}/logout`, {}),
    ]

    expect(statuses).toEqual([204, 204, 204, 204, 204])
  })

  it('lets links from anywhere show pages', async () => {
    const { url } = await startShop()

    const status = await send('GET', url, { 'sec-fetch-site': 'cross-site' })

    expect(status).toBe(200)
  })
})

describe('setSecurityHeaders()', () => {
  it('restricts every answer, also of assets and failures', async () => {
    const { open } = await startShop()

    const answers = await Promise.all(['/', '/static/shop.css', '/nothing'].map((path) => open().get(path)))

    for (const { headers } of answers) {
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'.*frame-ancestors 'none'$/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('same-origin')
      expect(headers.get('x-powered-by')).toBeNull()
    }
  })

  it('keeps pages for one person out of every cache', async () => {
    const { open } = await startShop()

    const answers = await Promise.all(['/', '/me', '/login'].map((path) => open().get(path)))

    for (const { headers } of answers) expect(headers.get('cache-control')).toBe('no-store')
  })
})
