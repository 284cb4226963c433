/**
 * Names the session of a request without keeping its cookie.
 *
 * @module
 */

import { createHash } from 'node:crypto'

/** Characters of a handle that the lab shows: enough to tell sessions apart on a screen. */
export const SHOWN_LENGTH = 8

/** The id, and the version that stores with copies send along. */
const cookiePattern = /(?:^|[;,\s])(?:__Host-)?session=([\w-]{43})(?:\.[\w-]+)?(?![\w.-])/

/** Start of the handle of the session cookie in a `Cookie` or `Set-Cookie` header; `undefined` without one. */
export function shownHandle(header: string | readonly string[] | undefined): string | undefined {
  if (!header?.length) return undefined
  for (const line of typeof header === 'string' ? [header] : header) {
    const id = cookiePattern.exec(line)?.[1]
    if (id) return createHash('sha256').update(id).digest('base64url').slice(0, SHOWN_LENGTH)
  }
  return undefined
}
