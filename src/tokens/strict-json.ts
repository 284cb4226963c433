/**
 * JSON as signed data must be read: no member twice, nothing that can be changed afterwards.
 *
 * @module
 */

import { isAscii, isUtf8 } from 'node:buffer'

/** A JSON object, frozen in depth. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Deepest nesting that is read. Claims are flat; deep ones are made to exhaust somebody's stack. */
const MAX_DEPTH = 16

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a

/**
 * Decodes one segment of a token. Base64url has many spellings of the same bytes; this takes one of them: no padding, no
 * whitespace, no stray bits at the end (RFC 7515 §2).
 *
 * @returns `undefined` when it is spelled in another way.
 */
export function decodeSegment(segment: string): Buffer | undefined {
  const bytes = Buffer.from(segment, 'base64url')
  return bytes.toString('base64url') === segment ? bytes : undefined
}

/**
 * Reads one JSON object from bytes that are UTF-8.
 *
 * @returns `undefined` when there is anything else, a member comes twice, one is named `__proto__`, or it is nested deeper
 * than 16 levels.
 */
export function parseStrictObject(bytes: Buffer): JsonObject | undefined {
  // Most are ASCII, and stay strings of one byte per character. Decoding itself would turn bad bytes into U+FFFD.
  const text = isAscii(bytes) ? bytes.toString('latin1') : isUtf8(bytes) ? bytes.toString('utf8') : undefined
  const value = text === undefined ? undefined : parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return freeze(value, 1) === countMembers(text as string) ? (value as JsonObject) : undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
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

/** Counts the members as they are written, in text that is known to be JSON: more than were read means one came twice. */
function countMembers(text: string): number {
  let count = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === COLON) count += 1
    else if (code === QUOTE) index = endOfString(text, index + 1)
  }
  return count
}

function endOfString(text: string, start: number): number {
  let index = start
  for (let code = text.charCodeAt(index); code !== QUOTE; code = text.charCodeAt(index))
    index += code === BACKSLASH ? 2 : 1
  return index
}
