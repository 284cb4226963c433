import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Recorder, exchangeRaw, startRecorder } from '../../test/support/raw-http.ts'
import { type Balancer, createBalancer } from './balancer.ts'

/** A request that must not get through. */
interface Attack {
  readonly title: string
  readonly bytes: string
  readonly status: number
}

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: a\r\n'
const WEBSOCKET = `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n`
const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

const attacks: readonly Attack[] = [
  {
    title: 'Content-Length with Transfer-Encoding',
    status: 400,
    bytes: `${POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'Transfer-Encoding with Content-Length',
    status: 400,
    bytes: `${POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'two different Content-Lengths',
    status: 400,
    bytes: `${POST}Content-Length: 0\r\nContent-Length: 40\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'two equal Content-Lengths',
    status: 400,
    bytes: `${POST}Content-Length: 0\r\nContent-Length: 0\r\n\r\n${SMUGGLED}`,
  },
  { title: 'a list as Content-Length', status: 400, bytes: `${POST}Content-Length: 0, 0\r\n\r\n${SMUGGLED}` },
  { title: 'a signed Content-Length', status: 400, bytes: `${POST}Content-Length: +0\r\n\r\n${SMUGGLED}` },
  {
    title: 'a hexadecimal Content-Length',
    status: 400,
    bytes: `${POST}Content-Length: 0x0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'a Content-Length with an inner space',
    status: 400,
    bytes: `${POST}Content-Length: 1 0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'an endless Content-Length',
    status: 400,
    bytes: `${POST}Content-Length: 99999999999999999999999\r\n\r\n`,
  },
  {
    title: 'an unknown Transfer-Encoding',
    status: 501,
    bytes: `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'a second coding in Transfer-Encoding',
    status: 501,
    bytes: `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'identity after chunked',
    status: 400,
    bytes: `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'two Transfer-Encodings',
    status: 400,
    bytes: `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'a space before the colon of Transfer-Encoding',
    status: 400,
    bytes: `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'a vertical tab before chunked',
    status: 400,
    bytes: `${POST}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'a folded Transfer-Encoding',
    status: 400,
    bytes: `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'Transfer-Encoding in HTTP/1.0',
    status: 400,
    bytes: `POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'a bare LF after the request line',
    status: 400,
    bytes: `GET / HTTP/1.1\nHost: a\r\n\r\n${SMUGGLED}`,
  },
  { title: 'a bare LF after a header', status: 400, bytes: `${GET}X: 1\nY: 2\r\n\r\n` },
  { title: 'a bare LF as the end of the head', status: 400, bytes: `${GET}\n${SMUGGLED}` },
  { title: 'a bare CR in a value', status: 400, bytes: `${GET}X: a\rb\r\n\r\n` },
  { title: 'a NUL in a value', status: 400, bytes: `${GET}X: a\0b\r\n\r\n` },
  { title: 'a control character in a value', status: 400, bytes: `${GET}X: a\x01b\r\n\r\n` },
  { title: 'a folded header', status: 400, bytes: `${GET}X: a\r\n b\r\n\r\n` },
  { title: 'a space before the first header', status: 400, bytes: 'GET / HTTP/1.1\r\n Host: a\r\n\r\n' },
  { title: 'a space in a header name', status: 400, bytes: `${GET}X Y: 1\r\n\r\n` },
  { title: 'a header without a name', status: 400, bytes: `${GET}: 1\r\n\r\n` },
  { title: 'an absolute target', status: 400, bytes: `GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n` },
  { title: 'an authority as the target', status: 400, bytes: 'GET evil:80 HTTP/1.1\r\nHost: a\r\n\r\n' },
  { title: 'an asterisk as the target', status: 400, bytes: 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n' },
  { title: 'a fragment in the target', status: 400, bytes: 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n' },
  { title: 'a space in the target', status: 400, bytes: 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n' },
  { title: 'a byte above ASCII in the target', status: 400, bytes: 'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n' },
  {
    title: 'a target of 10 kB',
    status: 414,
    bytes: `GET /${'a'.repeat(10_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  },
  {
    title: 'a target of 40 kB',
    status: 414,
    bytes: `GET /${'a'.repeat(40_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  },
  { title: 'a header of 20 kB', status: 431, bytes: `${GET}X: ${'a'.repeat(20_000)}\r\n\r\n` },
  { title: 'a header of 60 kB', status: 431, bytes: `${GET}X: ${'a'.repeat(60_000)}\r\n\r\n` },
  { title: 'two hundred headers', status: 431, bytes: `${GET}${'X: 1\r\n'.repeat(200)}\r\n` },
  { title: 'three thousand headers', status: 431, bytes: `${GET}${'X:\r\n'.repeat(3_000)}\r\n` },
  { title: 'CONNECT', status: 405, bytes: `CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n${SMUGGLED}` },
  { title: 'TRACE', status: 405, bytes: 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n' },
  { title: 'an unknown method', status: 400, bytes: 'FETCH / HTTP/1.1\r\nHost: a\r\n\r\n' },
  { title: 'two Host headers', status: 400, bytes: `${GET}Host: b\r\n\r\n` },
  { title: 'two equal Host headers', status: 400, bytes: `${GET}Host: a\r\n\r\n` },
  { title: 'no Host header', status: 400, bytes: 'GET / HTTP/1.1\r\n\r\n' },
  { title: 'an empty Host header', status: 400, bytes: 'GET / HTTP/1.1\r\nHost:\r\n\r\n' },
  { title: 'a path in the Host header', status: 400, bytes: 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n' },
  { title: 'a user in the Host header', status: 400, bytes: 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n' },
  { title: 'a list in the Host header', status: 400, bytes: 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n' },
  { title: 'HTTP/1.0 without a Host header', status: 400, bytes: 'GET / HTTP/1.0\r\n\r\n' },
  { title: 'HTTP/0.9', status: 505, bytes: 'GET /\r\n\r\n' },
  { title: 'HTTP/2.0 in text', status: 505, bytes: 'GET / HTTP/2.0\r\nHost: a\r\n\r\n' },
  { title: 'the preface of HTTP/2', status: 400, bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
  { title: 'HTTP/1.2', status: 400, bytes: 'GET / HTTP/1.2\r\nHost: a\r\n\r\n' },
  { title: 'Connection that lists Host', status: 400, bytes: `${GET}Connection: close, Host\r\n\r\n` },
  {
    title: 'Connection that lists Content-Length',
    status: 400,
    bytes: `${POST}Connection: close, Content-Length\r\nContent-Length: 2\r\n\r\nab`,
  },
  {
    title: 'an unknown expectation',
    status: 417,
    bytes: `${POST}Connection: close\r\nExpect: magic\r\nContent-Length: 2\r\n\r\nab`,
  },
  {
    title: 'an upgrade to h2c',
    status: 400,
    bytes: `${GET}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'an upgrade to h2c or websocket',
    status: 400,
    bytes: `${GET}Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n${KEY}\r\n${SMUGGLED}`,
  },
  { title: 'a WebSocket without a key', status: 400, bytes: `${WEBSOCKET}\r\n${SMUGGLED}` },
  {
    title: 'a WebSocket of an unknown version',
    status: 400,
    bytes: `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 1337\r\n${KEY}\r\n${SMUGGLED}`,
  },
  {
    title: 'a WebSocket with a body',
    status: 400,
    bytes: `${WEBSOCKET}${KEY}Content-Length: 5\r\n\r\nhello${SMUGGLED}`,
  },
  {
    title: 'a WebSocket by POST',
    status: 400,
    bytes: `${WEBSOCKET.replace('GET', 'POST')}${KEY}\r\n${SMUGGLED}`,
  },
  {
    title: 'a WebSocket in HTTP/1.0',
    status: 400,
    bytes: `${WEBSOCKET.replace('HTTP/1.1', 'HTTP/1.0')}${KEY}\r\n${SMUGGLED}`,
  },
]

/** Bodies that turn out to be malformed when the head has already been accepted. */
const brokenBodies: readonly Attack[] = [
  { title: 'a chunk size with a bare LF', status: 400, bytes: `3\nabc\r\n0\r\n\r\n${SMUGGLED}` },
  { title: 'a chunk extension with a bare LF', status: 400, bytes: `3;a\nabc\r\n0\r\n\r\n${SMUGGLED}` },
  { title: 'a chunk without its line end', status: 400, bytes: `3\r\nabcX0\r\n\r\n${SMUGGLED}` },
  { title: 'a negative chunk size', status: 400, bytes: `-3\r\nabc\r\n0\r\n\r\n${SMUGGLED}` },
  { title: 'a chunk size with a prefix', status: 400, bytes: `0x3\r\nabc\r\n0\r\n\r\n${SMUGGLED}` },
  {
    title: 'a chunk size that overflows',
    status: 400,
    bytes: `fffffffffffffffff\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'chunk extensions of 20 kB',
    status: 413,
    bytes: `3;${'a'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
  },
  {
    title: 'a Content-Length as a trailer',
    status: 400,
    bytes: `3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n${SMUGGLED}`,
  },
]

describe('a hostile client', () => {
  let recorder: Recorder
  let balancer: Balancer
  let url: string

  beforeAll(async () => {
    // Never answers: whatever is answered below, the balancer has said.
    recorder = await startRecorder(() => {})
    balancer = createBalancer([{ id: 'A', url: recorder.url }], { headersTimeout: 1_000 })
    url = (await balancer.listen({ port: 0 })).url
  })
  afterAll(async () => {
    await balancer.close({ grace: 0 })
    await recorder.close()
  })

  it.each(attacks)('is refused $title', async ({ bytes, status }) => {
    const before = recorder.received()

    const answer = await exchangeRaw(url, bytes)

    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer).toMatch(/^x-served-by: balancer\r$/im)
    expect(answer).toMatch(/^x-routed-by: refused\r$/im)
    expect(answer.match(/^HTTP\//gm)).toHaveLength(1)
    expect(recorder.received()).toBe(before)
  })

  it.each(brokenBodies)('is cut off at $title', async ({ bytes, status }) => {
    const answer = await exchangeRaw(url, `${POST}Transfer-Encoding: chunked\r\n\r\n${bytes}`)

    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(answer.match(/^HTTP\//gm)).toHaveLength(1)
    expect(recorder.received()).not.toContain('smuggled')
    expect(recorder.received()).not.toMatch(/\r\n0\r\n\r\n/)
  })

  it('is told 408 when the head takes too long', async () => {
    const answer = await exchangeRaw(url, 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ')

    expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(answer).toMatch(/^x-served-by: balancer\r$/im)
  })
})
