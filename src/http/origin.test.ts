import { describe, expect, it } from 'vitest'
import { isSameOrigin } from './origin.ts'

const host = 'shop.example'

describe('isSameOrigin()', () => {
  it.each([
    ['a page of the same origin', { 'sec-fetch-site': 'same-origin' }],
    ['the user, by a bookmark', { 'sec-fetch-site': 'none' }],
    ['an older browser, from the same origin', { origin: 'https://shop.example' }],
    ['a program that is no browser', {}],
  ])('lets %s through', (_, headers) => {
    expect(isSameOrigin({ headers: { host, ...headers } })).toBe(true)
    expect(isSameOrigin({ headers: new Headers({ host, ...headers }) })).toBe(true)
  })

  it.each([
    ['a page of another site', { 'sec-fetch-site': 'cross-site' }],
    ['a page of a sibling subdomain', { 'sec-fetch-site': 'same-site', origin: 'https://shop.example' }],
    ['a value that nobody knows', { 'sec-fetch-site': 'SAME-ORIGIN' }],
    ['an older browser, from another site', { origin: 'https://evil.example' }],
    ['another port', { origin: 'https://shop.example:8443' }],
    ['a longer name', { origin: 'https://shop.example.evil.example' }],
    ['a frame without an origin', { origin: 'null' }],
    ['an origin that is none', { origin: 'shop.example' }],
    ['an empty origin', { origin: '' }],
  ])('stops %s', (_, headers) => {
    expect(isSameOrigin({ headers: { host, ...headers } })).toBe(false)
    expect(isSameOrigin({ headers: new Headers({ host, ...headers }) })).toBe(false)
  })

  it('stops an origin where it does not know its own host', () => {
    expect(isSameOrigin({ headers: { origin: 'https://shop.example' } })).toBe(false)
  })

  it('believes what came twice neither way', () => {
    expect(isSameOrigin({ headers: { host, 'sec-fetch-site': 'same-origin, cross-site' } })).toBe(false)
    expect(isSameOrigin({ headers: { host, 'sec-fetch-site': ['same-origin', 'none'] } })).toBe(false)
  })

  it('compares with the origin that it is given, scheme and all', () => {
    const options = { origin: 'https://shop.example' }

    expect(isSameOrigin({ headers: { host: 'inner:8080', origin: 'https://shop.example' } }, options)).toBe(
      true,
    )
    expect(isSameOrigin({ headers: { host, origin: 'http://shop.example' } }, options)).toBe(false)
  })
})
