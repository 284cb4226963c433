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
  const { strings, isAscii, hasEscapes } = scan(bytes)
  // Decoding itself would turn bad bytes into U+FFFD.
  if (!isAscii && !isUtf8(bytes)) return undefined
  // Latin-1 stays a string of one byte per character.
  const value = parse(bytes.toString(isAscii ? 'latin1' : 'utf8'))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  // Fewer strings than were written: a member came twice, and the last one won.
  if (freeze(value, 1) !== strings) return undefined
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
  /** Strings as they are written, names of members among them: half of the quotes. */
  readonly strings: number
  readonly isAscii: boolean
  readonly hasEscapes: boolean
}

/**
 * Takes in all that must be known of the bytes in one pass.
 *
 * Without a branch: between two signatures, guessing wrong at every quote took a microsecond.
 */
function scan(bytes: Buffer): Scan {
  let quotes = 0
  let escapes = 0
  let seen = 0
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] as number
    seen |= byte
    quotes += isZero(byte ^ QUOTE)
    escapes += isZero(byte ^ BACKSLASH)
  }
  const hasEscapes = escapes > 0
  return { strings: (hasEscapes ? countQuotes(bytes) : quotes) / 2, isAscii: seen < 0x80, hasEscapes }
}

/** 1 for 0, and 0 for what is greater. */
function isZero(value: number): number {
  return (value - 1) >>> 31
}

/** Counts the quotes that are not escaped. */
function countQuotes(bytes: Buffer): number {
  let quotes = 0
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index] === QUOTE) quotes += 1
    else if (bytes[index] === BACKSLASH) index += 1
  }
  return quotes
}

/** Freezes a value and what is in it, and counts its strings, names of members too; `NaN` when it is refused. */
function freeze(value: object, depth: number): number {
  if (depth > MAX_DEPTH) return Number.NaN
  const names = Object.keys(value)
  let strings = Array.isArray(value) ? 0 : names.length
  for (const name of names) {
    if (name === '__proto__') return Number.NaN
    const member: unknown = (value as Record<string, unknown>)[name]
    if (typeof member === 'string') strings += 1
    else if (typeof member === 'object' && member !== null) strings += freeze(member, depth + 1)
  }
  Object.freeze(value)
  return strings
}

/** Only an escape can write half a character. As UTF-8, two ids that differ in one would become the same. */
function hasHalfCharacter(value: unknown): boolean {
  if (typeof value === 'string') return LONE_SURROGATE.test(value)
  return typeof value === 'object' && value !== null && Object.entries(value).flat().some(hasHalfCharacter)
}
