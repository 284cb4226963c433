/**
 * JSON as signed data must be read: no member twice, nothing that can be changed afterwards.
 *
 * @module
 */

import { isUtf8 } from 'node:buffer'

/** A JSON object, frozen in depth. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Deepest nesting that is read. Claims are flat; deep ones are made to exhaust somebody's stack. */
const MAX_DEPTH = 16

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
/** With the flag `u` a pair is one character and does not match. */
const LONE_SURROGATE = /[\ud800-\udfff]/u

/** Decoded segments are written here. Fresh buffers for each token would keep the garbage collector busy. */
const workspace = Buffer.alloc(8_192)

/**
 * Decodes one segment of a token. Base64url has many spellings of the same bytes; this takes one of them: no padding, no
 * whitespace, no stray bits at the end (RFC 7515 §2).
 *
 * @returns Bytes that the next call overwrites; `undefined` when the segment is spelled in another way.
 */
export function decodeSegment(segment: string): Buffer | undefined {
  const target = segment.length <= workspace.length ? workspace : Buffer.alloc(segment.length)
  const length = target.write(segment, 'base64url')
  return target.toString('base64url', 0, length) === segment ? target.subarray(0, length) : undefined
}

/**
 * Reads one JSON object from bytes that are UTF-8.
 *
 * @returns `undefined` when there is anything else, a member comes twice or is named `__proto__`, a string holds half a
 * character, or it is nested deeper than 16 levels.
 */
export function parseStrictObject(bytes: Buffer): JsonObject | undefined {
  const { members, isAscii, hasEscapes } = scan(bytes)
  // Decoding itself would turn bad bytes into U+FFFD.
  if (!isAscii && !isUtf8(bytes)) return undefined
  // Latin-1 stays a string of one byte per character.
  const value = parse(bytes.toString(isAscii ? 'latin1' : 'utf8'))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  // Fewer members than were written: one came twice, and the last one won.
  if (freeze(value, 1) !== members) return undefined
  return hasEscapes && hasHalfCharacter(value) ? undefined : (value as JsonObject)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

interface Scan {
  /** Colons outside of strings: in JSON, one for each member as it is written. */
  readonly members: number
  readonly isAscii: boolean
  readonly hasEscapes: boolean
}

/** Takes in all that must be known of the bytes in one pass; reading bytes is twice as fast as reading characters. */
function scan(bytes: Buffer): Scan {
  let members = 0
  let seen = 0
  let escapes = 0
  let inString = false
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] as number
    seen |= byte
    if (byte === QUOTE) inString = !inString
    else if (byte === BACKSLASH) {
      escapes += 1
      index += 1
    } else if (byte === COLON && !inString) members += 1
  }
  return { members, isAscii: seen < 0x80, hasEscapes: escapes > 0 }
}

/** Freezes a value and what is in it, and counts the members of all objects; `NaN` when it is refused. */
function freeze(value: object, depth: number): number {
  if (depth > MAX_DEPTH) return Number.NaN
  const names = Object.keys(value)
  let count = Array.isArray(value) ? 0 : names.length
  for (const name of names) {
    if (name === '__proto__') return Number.NaN
    const member: unknown = (value as Record<string, unknown>)[name]
    if (typeof member === 'object' && member !== null) count += freeze(member, depth + 1)
  }
  Object.freeze(value)
  return count
}

/** Only an escape can write half a character. As UTF-8, two ids that differ in one would become the same. */
function hasHalfCharacter(value: unknown): boolean {
  if (typeof value === 'string') return LONE_SURROGATE.test(value)
  return typeof value === 'object' && value !== null && Object.entries(value).flat().some(hasHalfCharacter)
}
