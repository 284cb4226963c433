/**
 * Turns the head of a server's answer into the one that the client gets.
 *
 * @module
 */

/** An answer's head, ready for `writeHead`. */
export interface ResponseHead {
  /** `[name, value, name, value, …]` */
  readonly headers: string[]
  /** Length that the answer announces; `-1` without one. */
  readonly contentLength: number
  /** Whether a cache may keep the answer and give it to others. Such an answer must not carry a cookie of ours. */
  readonly shared: boolean
}

/**
 * Drops what belongs to the connection to the server, and what only the balancer says.
 *
 * @param raw Names and values in turn, as undici has them.
 */
export function readResponseHead(raw: readonly Buffer[]): ResponseHead {
  const headers: string[] = []
  let contentLength = -1
  let shared = false
  let listed: string | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]?.toString('latin1') ?? ''
    const value = raw[i + 1]?.toString('latin1') ?? ''
    switch (treatmentOf(name)) {
      case 'pass':
        headers.push(name, value)
        break
      case 'drop':
        break
      case 'connection':
        if (value !== 'keep-alive' && value !== 'close')
          listed = listed === undefined ? value : `${listed},${value}`
        break
      case 'content-length':
        contentLength = Number(value)
        headers.push(name, value)
        break
      case 'cache-control':
        shared ||= SHARED.test(value)
        headers.push(name, value)
        break
    }
  }
  if (listed !== undefined) removeListed(headers, listed)
  return { headers, contentLength, shared }
}

/** Returns the values of `Set-Cookie`; an empty array when no cookie is set. */
export function setCookiesOf(headers: readonly string[]): readonly string[] {
  const values: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    if (name.length === 10 && name.toLowerCase() === 'set-cookie') values.push(headers[i + 1] ?? '')
  }
  return values
}

type Treatment = 'pass' | 'drop' | 'connection' | 'content-length' | 'cache-control'

const treatments = new Map<string, Treatment>()
for (const [treatment, names] of [
  ['connection', 'Connection'],
  ['content-length', 'Content-Length'],
  ['cache-control', 'Cache-Control'],
  ['drop', 'Keep-Alive Proxy-Connection Transfer-Encoding TE Trailer Upgrade X-Served-By X-Routed-By'],
  // Known here only to spare them the change of case.
  ['pass', 'Date Content-Type ETag Set-Cookie Location Vary Last-Modified X-Powered-By Accept-Ranges'],
] as const) {
  for (const name of names.split(' ')) treatments.set(name, treatment).set(name.toLowerCase(), treatment)
}

function treatmentOf(name: string): Treatment {
  return treatments.get(name) ?? treatments.get(name.toLowerCase()) ?? 'pass'
}

function removeListed(headers: string[], listed: string): void {
  for (const option of listed.toLowerCase().split(',')) {
    const token = option.trim()
    // Without its length an answer could not be told from a truncated one.
    if (token === 'content-length') continue
    for (let i = headers.length - 2; i >= 0; i -= 2) {
      if (headers[i]?.toLowerCase() === token) headers.splice(i, 2)
    }
  }
}

const SHARED = /\b(?:public|s-maxage)\b/i
