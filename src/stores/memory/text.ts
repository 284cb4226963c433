/**
 * Strings as bytes, in the shortest encoding that gives every one of them back.
 *
 * @module
 */

/** How a text is encoded. */
export type Encoding = typeof ASCII | typeof UTF8 | typeof UTF16

/** One byte per character. */
export const ASCII = 0
/** For texts of mostly ASCII. */
export const UTF8 = 1
/** For Korean prose, which UTF-8 makes half as long again, and for lone surrogates, which UTF-8 cannot carry. */
export const UTF16 = 2

/** Bytes that a text can need at most. */
export function maxBytes(text: string): number {
  return text.length * 3
}

/**
 * Writes a text, which must have room for {@link maxBytes}.
 *
 * @returns Length in bytes and {@link Encoding}, to be taken apart by {@link lengthOf} and {@link encodingOf}.
 */
export function writeText(text: string, target: Buffer, offset: number): number {
  const length = target.write(text, offset, 'utf8')
  if (length === text.length) return length * 4 + ASCII
  if (length <= text.length * 2 && !LONE_SURROGATE.test(text)) return length * 4 + UTF8
  return target.write(text, offset, 'utf16le') * 4 + UTF16
}

const LONE_SURROGATE = /\p{Surrogate}/u

/** The length in bytes that {@link writeText} gave. */
export function lengthOf(written: number): number {
  return Math.trunc(written / 4)
}

/** The encoding that {@link writeText} gave. */
export function encodingOf(written: number): Encoding {
  return (written & 3) as Encoding
}

/** Reads a text back. */
export function readText(source: Buffer, start: number, end: number, encoding: Encoding): string {
  if (encoding === ASCII) return source.toString('latin1', start, end)
  return source.toString(encoding === UTF8 ? 'utf8' : 'utf16le', start, end)
}
