/**
 * Versions on their way with the cookie, so that the next server knows which writes it must have seen.
 *
 * They are authenticated: a visitor who could claim any version would make every request ask the leader.
 *
 * @module
 */

import { createHmac, timingSafeEqual } from 'node:crypto'

/** Bytes of the authentication code: 96 bits. */
const MAC_BYTES = 12

const SHAPE = /^([1-9a-z][0-9a-z]{0,10})-([\w-]{16})$/

/** Stamp of a server that does not know the secret yet. It claims nothing. */
const NOTHING = '0'

/** Writes the stamp of a version. */
export function writeStamp(secret: string | undefined, key: string, version: number): string {
  return secret ? `${version.toString(36)}-${sign(secret, key, version).toString('base64url')}` : NOTHING
}

/** The version that a stamp claims, whether it is authentic or not; 0 when it has not the shape of one. */
export function claimOf(stamp: string): number {
  const version = Number.parseInt(SHAPE.exec(stamp)?.[1] ?? '0', 36)
  return Number.isSafeInteger(version) ? version : 0
}

/** Tells whether a server with this secret wrote the stamp for this key. */
export function isAuthentic(secret: string | undefined, key: string, stamp: string): boolean {
  const mac = SHAPE.exec(stamp)?.[2]
  if (mac === undefined || !secret) return false
  return timingSafeEqual(Buffer.from(mac, 'base64url'), sign(secret, key, claimOf(stamp)))
}

function sign(secret: string, key: string, version: number): Buffer {
  return createHmac('sha256', secret).update(`stamp ${version} ${key}`).digest().subarray(0, MAC_BYTES)
}
