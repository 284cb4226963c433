/**
 * What the control API makes sure of before it listens to a request.
 *
 * @module
 */

import type { IncomingMessage } from 'node:http'
import { LabError } from './lab-error.ts'

const MAX_BODY = 65_536

/**
 * Refuses requests that a foreign web page has made the browser send.
 *
 * A page whose own name was rebound to 127.0.0.1 sends its own name as `Host`; any other page sends its `Origin` or is
 * told by `Sec-Fetch-Site`. A program without a browser sends neither, and is let in.
 *
 * @param hosts Values of `Host` by which this server may be called.
 * @throws {LabError} `ERR_FOREIGN_ORIGIN`
 */
export function refuseForeign({ headers }: Pick<IncomingMessage, 'headers'>, hosts: readonly string[]): void {
  const { host = '', origin, 'sec-fetch-site': site } = headers
  if (!hosts.includes(host.toLowerCase())) {
    throw new LabError('ERR_FOREIGN_ORIGIN', 'The lab answers only under its own address')
  }
  // A link to the dashboard on another page is fine; what such a page fetches or posts by itself is not.
  const navigates = headers['sec-fetch-mode'] === 'navigate' && origin === undefined
  const foreignSite = site !== undefined && site !== 'same-origin' && site !== 'none' && !navigates
  if (foreignSite || (origin !== undefined && !hosts.some((name) => origin === `http://${name}`))) {
    throw new LabError('ERR_FOREIGN_ORIGIN', 'The lab takes orders only from its own dashboard')
  }
}

/**
 * Reads a JSON object from the body; an empty body counts as an empty object.
 *
 * @throws {LabError} `ERR_BAD_REQUEST`, `ERR_TOO_LARGE`
 */
export async function readJson(request: AsyncIterable<Buffer>): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > MAX_BODY) throw new LabError('ERR_TOO_LARGE', `The body is longer than ${MAX_BODY} bytes`)
    chunks.push(chunk)
  }
  if (size === 0) return {}

  const value = parse(Buffer.concat(chunks).toString('utf8'))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LabError('ERR_BAD_REQUEST', 'The body must be a JSON object')
  }
  return value as Record<string, unknown>
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new LabError('ERR_BAD_REQUEST', 'The body is not JSON', { cause })
  }
}
