/**
 * Examines the head of a request and writes the one that the application gets.
 *
 * Everything is read from and written to `[name, value, name, value, …]`, as Node and undici have it.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import type { Affinity } from './affinity.ts'

/** Why a request is refused, with the status that says so. */
export interface Refusal {
  readonly status: number
  readonly reason: string
}

/** An accepted head, as it is sent on. */
export interface RequestHead {
  readonly headers: string[]
  readonly hasBody: boolean
  /** The `Cookie` header as the application gets it; `undefined` without one. */
  readonly cookie: string | undefined
  /** Server that a valid affinity cookie names. */
  readonly affinityId: string | undefined
  /** Whether that cookie should be replaced by one that is signed with the newest secret. */
  readonly affinityOutdated: boolean
}

/** What the forwarding headers say, the same for all requests of a balancer. */
export interface HeadOptions {
  readonly affinity: Affinity | undefined
  /** Value of `X-Forwarded-Proto`. */
  readonly protocol: 'http' | 'https'
}

/** Longest request target, in bytes. */
export const MAX_TARGET_LENGTH = 8_192

/** Most bytes of header names and values together. */
export const MAX_HEADER_LENGTH = 16_384

/** Most header lines. */
export const MAX_HEADER_COUNT = 128

/**
 * Examines the head of a request.
 *
 * The parser below has refused most malformed heads already; what is left to refuse here is well-formed but
 * ambiguous, or asks for something that a balancer must not do.
 */
export function readRequestHead(
  request: IncomingMessage,
  address: string,
  options: HeadOptions,
): RequestHead | Refusal {
  const refusal = refuseRequestLine(request)
  if (refusal) return refusal

  const { rawHeaders } = request
  if (rawHeaders.length > 2 * MAX_HEADER_COUNT) return TOO_LARGE
  const headers: string[] = []
  let host: string | undefined
  let cookie: string | undefined
  let affinityId: string | undefined
  let affinityOutdated = false
  let contentLength: string | undefined
  let chunked = false
  let listed: string | undefined
  let size = 0

  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    size += name.length + value.length
    switch (treatmentOf(name)) {
      case 'pass':
        headers.push(name, value)
        break
      case 'drop':
        break
      case 'host':
        if (host !== undefined) return bad('more than one Host header')
        if (!HOST.test(value)) return bad('the Host header is not a host')
        host = value
        break
      case 'cookie': {
        const claim = options.affinity?.read(value)
        const rest = claim ? claim.rest : value
        affinityId ??= claim?.id
        affinityOutdated ||= claim?.outdated ?? false
        if (rest === undefined) break
        headers.push(name, rest)
        cookie = cookie === undefined ? rest : `${cookie}; ${rest}`
        break
      }
      case 'connection':
        listed = listed === undefined ? value : `${listed},${value}`
        break
      case 'content-length':
        if (contentLength !== undefined || !DIGITS.test(value))
          return bad('the Content-Length is not one number')
        contentLength = value
        break
      case 'transfer-encoding':
        if (chunked || value.toLowerCase() !== 'chunked') {
          return { status: 501, reason: 'the Transfer-Encoding is not chunked' }
        }
        chunked = true
        break
    }
  }

  if (size > MAX_HEADER_LENGTH) return TOO_LARGE
  if (host === undefined) return bad('there is no Host header')
  if (chunked && contentLength !== undefined) return bad('both Content-Length and Transfer-Encoding')
  if (chunked && request.httpVersionMinor === 0) return bad('Transfer-Encoding in HTTP/1.0')
  if (listed !== undefined && !TRIVIAL.test(listed)) {
    const wrong = removeListed(headers, listed)
    if (wrong) return wrong
    if (cookie !== undefined && !headers.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'cookie')) {
      cookie = undefined
    }
  }

  const hasBody = chunked || (contentLength !== undefined && Number(contentLength) > 0)
  if (contentLength !== undefined && hasBody) headers.push('content-length', contentLength)
  headers.push(
    'host',
    host,
    'x-forwarded-for',
    address,
    'x-forwarded-proto',
    options.protocol,
    'x-forwarded-host',
    host,
    'x-forwarded-port',
    portOf(host, options.protocol),
  )
  return { headers, hasBody, cookie, affinityId, affinityOutdated }
}

function refuseRequestLine(request: IncomingMessage): Refusal | undefined {
  const { method, url = '', httpVersionMajor } = request
  if (httpVersionMajor !== 1) return { status: 505, reason: 'only HTTP/1.1 is spoken here' }
  if (method === 'TRACE' || method === 'CONNECT') return { status: 405, reason: `${method} is not allowed` }
  if (url.length > MAX_TARGET_LENGTH) return { status: 414, reason: 'the request target is too long' }
  // Origin form only (RFC 9112, 3.2.1): an absolute target names a second host, and which one counts is a guess.
  if (!TARGET.test(url)) return bad('the request target is not a path')
  return undefined
}

type Treatment = 'pass' | 'drop' | 'host' | 'cookie' | 'connection' | 'content-length' | 'transfer-encoding'

const treatments = new Map<string, Treatment>()
for (const [treatment, names] of [
  ['host', 'Host'],
  ['cookie', 'Cookie'],
  ['connection', 'Connection'],
  ['content-length', 'Content-Length'],
  ['transfer-encoding', 'Transfer-Encoding'],
  // Hop by hop (RFC 9110, 7.6.1). Trailers are not passed on, so nobody need hear of them.
  ['drop', 'Keep-Alive Proxy-Connection Proxy-Authorization TE Trailer Upgrade HTTP2-Settings Expect'],
  // Only the balancer says these. Every other X-Forwarded-* is dropped too.
  ['drop', 'Forwarded X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Port'],
  ['drop', 'X-Real-IP X-Served-By X-Routed-By'],
  // Known here only to spare them the change of case.
  ['pass', 'User-Agent Accept Accept-Encoding Accept-Language Authorization Content-Type Origin Referer'],
  ['pass', 'Cache-Control If-None-Match If-Modified-Since Sec-Fetch-Site Sec-Fetch-Mode Sec-Fetch-Dest'],
] as const) {
  for (const name of names.split(' ')) treatments.set(name, treatment).set(name.toLowerCase(), treatment)
}

function treatmentOf(name: string): Treatment {
  const known = treatments.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  return treatments.get(lower) ?? (lower.startsWith('x-forwarded-') ? 'drop' : 'pass')
}

/** Removes what `Connection` lists. Our own headers come later, so listing them removes nothing (RFC 9110, 7.6.1). */
function removeListed(headers: string[], listed: string): Refusal | undefined {
  for (const option of listed.toLowerCase().split(',')) {
    const token = option.trim()
    if (token === 'host' || token === 'content-length') return bad(`Connection lists ${token}`)
    for (let i = headers.length - 2; i >= 0; i -= 2) {
      if (headers[i]?.toLowerCase() === token) headers.splice(i, 2)
    }
  }
  return undefined
}

function portOf(host: string, protocol: 'http' | 'https'): string {
  const port = PORT.exec(host)?.[1]
  return port ?? (protocol === 'https' ? '443' : '80')
}

function bad(reason: string): Refusal {
  return { status: 400, reason }
}

const TOO_LARGE: Refusal = { status: 431, reason: 'the header is too large' }
const TARGET = /^\/[\x21\x22\x24-\x7e]*$/
const HOST = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/
const PORT = /:(\d+)$/
const DIGITS = /^\d{1,15}$/
const TRIVIAL = /^(?:keep-alive|close|upgrade|, ?)*$/i
