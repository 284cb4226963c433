/**
 * Says in words what became of a request's session cookie. Never shows an id.
 *
 * @module
 */

import type { CookieJar } from './cookie-jar.ts'
import type { HttpExchange } from './exchange.ts'
import { originOf, type Session } from './session.ts'
import type { Origin } from './host.ts'

/** Explains why a cookie was or was not accepted, and why browsers will or will not keep the one that is set. */
export function explainSession(
  exchange: HttpExchange,
  cookies: CookieJar,
  session: Session<object>,
): readonly string[] {
  const origin = originOf(session)
  const name = cookies.nameFor(exchange)
  const lines = [explainRequest(exchange, name, origin)]
  if (session.isNew && origin.kind === 'stranger') {
    lines.push('No cookie is set unless the session is changed: a visitor who stores nothing gets none.')
  }
  const trouble = cookies.trouble(exchange)
  if (trouble !== undefined) lines.push(`${trouble}.`)
  if (exchange.headersSent) lines.push('The answer has begun, so no cookie can be set any more.')
  return lines
}

function explainRequest(exchange: HttpExchange, name: string, origin: Origin): string {
  switch (origin.kind) {
    case 'session': {
      const strays = origin.strays ? ' Other cookies of this name came along; they are expired.' : ''
      return origin.moved
        ? `The cookie ${name} holds the id from before a rotation, within its grace; the new one is sent again.${strays}`
        : `The cookie ${name} was accepted.${strays}`
    }
    case 'superseded':
      return `The cookie ${name} is the one from before a login, which came with a new one; it lets nobody in, and is left alone as the browser may hold the new one by now.`
    case 'unavailable':
      return `The cookie ${name} could not be looked up, as the store gives no answer; it is left alone.`
    case 'stranger':
      return explainStranger(exchange, name, origin.reason)
    default:
      return origin satisfies never
  }
}

function explainStranger(
  exchange: HttpExchange,
  name: string,
  reason: 'no cookie' | 'malformed' | 'unknown' | 'corrupt',
): string {
  switch (reason) {
    case 'malformed':
      return `The cookie ${name} is not a session id: 43 characters of base64url are expected.`
    case 'unknown':
      return `The cookie ${name} names no session of this store: it was never minted here, or it expired, or it was ended. These look alike on purpose.`
    case 'corrupt':
      return `The session behind the cookie ${name} could not be decoded; its record was set aside and its visitor starts anew.`
    case 'no cookie':
      return explainNoCookie(exchange, name)
    default:
      return reason satisfies never
  }
}

function explainNoCookie(exchange: HttpExchange, name: string): string {
  const header = exchange.header('cookie')
  if (header === undefined) return `The request carries no cookie at all, so none named ${name}.`
  const bare = name.replace(/^__(Host|Secure)-/, '')
  const names = header.split(';').map((pair) => pair.split('=', 1)[0]?.trim() ?? '')
  const alike = names.find(
    (other) => other.replace(/^__(host|secure)-/i, '').toLowerCase() === bare.toLowerCase(),
  )
  return alike === undefined
    ? `The request carries no cookie named ${name}.`
    : `The request carries the cookie ${alike.slice(0, 64)}, which is not ${name}: the prefix depends on https, and names match exactly.`
}
