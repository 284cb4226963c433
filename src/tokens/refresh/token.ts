/**
 * Refresh tokens as text: `family.generation.mac`.
 *
 * @module
 */

import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { Family } from './family.ts'

/** What a refresh token says before anybody has checked it. */
export interface ParsedRefreshToken {
  /** Name of the family: 32 random bytes in base64url. */
  readonly family: string
  /** Number of the token within its family; the first is 1. */
  readonly generation: number
  /** HMAC-SHA-256 in base64url. */
  readonly mac: string
}

/** Makes and checks the last part of refresh tokens. */
export interface RefreshSigner {
  /** Public name of the key that signs; it is kept in the family and tells nothing of the key. */
  readonly signsWith: string
  /** Whether this server has that key. */
  knows(keyId: string): boolean
  /** Whether one of the keys made this token for this family. */
  verify(token: ParsedRefreshToken, salt: string): boolean
  /**
   * Makes the token of the family's generation, with the key that the family names.
   *
   * So whoever asks gets the same text, whichever key is the newest on the server that is asked.
   *
   * @returns `undefined` when this server does not have that key.
   */
  sign(family: string, state: Pick<Family, 'generation' | 'salt' | 'signedBy'>): string | undefined
}

/** Ten digits are more than one rotation a second for three centuries. */
const SHAPE = /^([\w-]{43})\.([1-9]\d{0,9})\.([\w-]{43})$/
const SHORTEST_KEY = 32

/** Takes a token apart; `undefined` when it does not have the shape of one. */
export function parseRefreshToken(token: unknown): ParsedRefreshToken | undefined {
  const parts = typeof token === 'string' ? SHAPE.exec(token) : null
  return parts ? { family: parts[1]!, generation: Number(parts[2]), mac: parts[3]! } : undefined
}

/**
 * Creates a signer.
 *
 * @param keys The first signs, all of them verify.
 * @throws {TypeError} when there is none, or one is not bytes.
 * @throws {RangeError} when one is shorter than 32 bytes.
 */
export function createRefreshSigner(keys: readonly Uint8Array[]): RefreshSigner {
  const byId = new Map(keys.map(readKey))
  const [signsWith] = byId.keys()
  if (signsWith === undefined) {
    throw new TypeError('Cannot create refresh tokens as keys must hold at least one key: received none')
  }

  return {
    signsWith,
    knows: (keyId) => byId.has(keyId),
    verify({ family, generation, mac }, salt) {
      const given = Buffer.from(mac, 'latin1')
      // Texts are compared, not bytes: base64url has four spellings for the last character of 32 bytes.
      return [...byId.values()].some((key) =>
        timingSafeEqual(given, Buffer.from(macOf(key, family, generation, salt), 'latin1')),
      )
    },
    sign(family, { generation, salt, signedBy }) {
      const key = byId.get(signedBy)
      return key && `${family}.${generation}.${macOf(key, family, generation, salt)}`
    },
  }
}

/** The first line keeps these MACs apart from whatever else the key may be used for. */
function macOf(key: KeyObject, family: string, generation: number, salt: string): string {
  const text = `coatcheck refresh token\n${family}\n${generation}\n${salt}`
  return createHmac('sha256', key).update(text).digest('base64url')
}

function readKey(key: Uint8Array): readonly [keyId: string, key: KeyObject] {
  if (!(key instanceof Uint8Array)) {
    throw new TypeError(
      'Cannot create refresh tokens as each of keys must be a Uint8Array, for example a Buffer',
    )
  }
  if (key.length < SHORTEST_KEY) {
    throw new RangeError(
      `Cannot create refresh tokens as each of keys must have at least ${SHORTEST_KEY} random bytes: received ${key.length}`,
    )
  }
  // A hash of 256 random bits cannot be turned back, so the name may be stored beside what the key protects.
  const keyId = hash('sha256', Buffer.concat([Buffer.from('coatcheck refresh key\n'), key]), 'base64url')
  return [keyId.slice(0, 12), createSecretKey(key)]
}
