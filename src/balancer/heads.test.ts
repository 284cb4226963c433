import { afterEach, describe, expect, it } from 'vitest'
import { type Recorder, exchangeRaw, startApplication, startRecorder } from '../../test/support/raw-http.ts'
import { createTestbed } from '../../test/support/testbed.ts'

const { keep, startBalancer, close } = createTestbed()
afterEach(close)

async function startRecording(
  reply?: string,
): Promise<{ readonly recorder: Recorder; readonly url: string }> {
  const recorder = keep(await startRecorder(reply))
  return { recorder, url: (await startBalancer([{ id: 'A', url: recorder.url }])).url }
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
    const application = await startApplication('A', (_request, response) => {
      response.write('in ')
      response.end('pieces')
    })
    const { url } = await startBalancer([keep(application)])

    const answer = await exchangeRaw(url, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n')

    expect(answer).not.toMatch(/transfer-encoding/i)
    expect(answer).toMatch(/\r\n\r\nin pieces$/)
  })
})
