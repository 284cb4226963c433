/**
 * Keys as 32 bytes.
 *
 * The engine's keys are SHA-256 digests in base64url; a third of their characters is saved and comparing takes eight
 * words. Any other string works too: it is hashed, and the record keeps the original.
 *
 * @module
 */

import { createHash, randomBytes } from 'node:crypto'

/** Words that hold a key. */
export const KEY_WORDS = 8

/** Characters of a key that is a digest. */
const DIGEST_LENGTH = 43
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const INVALID = 64
const DIGITS = new Uint8Array(128).fill(INVALID)
for (let digit = 0; digit < ALPHABET.length; digit++) DIGITS[ALPHABET.charCodeAt(digit)] = digit

/** Turns keys into words and back. */
export interface Keys {
  /** Words of the key that was parsed last. */
  readonly words: Uint32Array
  /**
   * Parses a key into {@link Keys.words}.
   *
   * @returns Whether the words alone give the key back. Of any other key they are a salted hash.
   */
  parse(key: string): boolean
  /** Writes the key that these words came from, if they give it back. */
  format(words: Uint32Array): string
}

/** Creates a parser with a buffer and a salt of its own, so that no digest can be made to equal a hashed key. */
export function createKeys(): Keys {
  const bytes = Buffer.alloc(KEY_WORDS * 4)
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, KEY_WORDS)
  const output = Buffer.alloc(KEY_WORDS * 4)
  const outputWords = new Uint32Array(output.buffer, output.byteOffset, KEY_WORDS)
  const salt = randomBytes(16)

  return {
    words,
    parse(key) {
      if (key.length === DIGEST_LENGTH && decode(key, bytes)) return true
      // UTF-16, since UTF-8 would give all lone surrogates the same bytes.
      createHash('sha256').update(salt).update(Buffer.from(key, 'utf16le')).digest().copy(bytes)
      return false
    },
    format(words) {
      outputWords.set(words)
      return output.toString('base64url')
    },
  }
}

/** Decodes canonical base64url only: `Buffer.from` would take several spellings for the same bytes. */
function decode(key: string, bytes: Buffer): boolean {
  let position = 0
  let output = 0
  while (position < 40) {
    const a = digitAt(key, position)
    const b = digitAt(key, position + 1)
    const c = digitAt(key, position + 2)
    const d = digitAt(key, position + 3)
    if ((a | b | c | d) >= INVALID) return false
    bytes[output] = (a << 2) | (b >> 4)
    bytes[output + 1] = (b << 4) | (c >> 2)
    bytes[output + 2] = (c << 6) | d
    position += 4
    output += 3
  }
  const a = digitAt(key, 40)
  const b = digitAt(key, 41)
  const c = digitAt(key, 42)
  // The last digit carries four bits; the other two must be zero.
  if ((a | b | c) >= INVALID || (c & 3) !== 0) return false
  bytes[30] = (a << 2) | (b >> 4)
  bytes[31] = (b << 4) | (c >> 2)
  return true
}

function digitAt(key: string, position: number): number {
  const code = key.charCodeAt(position)
  return code < 128 ? DIGITS[code]! : INVALID
}
