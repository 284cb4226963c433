/**
 * The texts of a record as one run of bytes: user, key where it is not a digest, data.
 *
 * A byte of flags comes first, then each text with its length in front. Data is shortened by a dictionary.
 *
 * @module
 */

import { createDictionary } from './dictionary.ts'
import { encodingOf, type Encoding, lengthOf, maxBytes, readText, writeText } from './text.ts'

/** Shifts of the encodings of user, key and data within the flags. */
const PRINCIPAL = 0
const KEY = 2
const DATA = 4
/** Added to the encoding of data that the dictionary has shortened. */
const SHORTENED = 4
/** Stands in the place of an encoding where there is no such text. */
const ABSENT = 3

/** Longest data in bytes that is shortened: beyond, the time is not worth it. */
const MAX_SHORTENED = 4_096

/** Bytes that flags and lengths need at most. */
const MAX_HEADER = 16

/** Packs and unpacks the texts of a record. */
export interface Payloads {
  /** Packs texts into {@link Payloads.packed}, and returns the number of bytes. */
  pack(data: string, principal: string | undefined, key: string | undefined): number
  /** Bytes that were packed last. */
  readonly packed: Buffer
  readData(source: Buffer, offset: number): string
  /** User of a packed record; `undefined` for a visitor. */
  readPrincipal(source: Buffer, offset: number): string | undefined
  /** Key of a packed record; `undefined` when its words give it back. */
  readKey(source: Buffer, offset: number): string | undefined
}

/** Creates a packer with a buffer of its own. */
export function createPayloads(): Payloads {
  const dictionary = createDictionary()
  const scratch = Buffer.allocUnsafeSlow(2 * MAX_SHORTENED)
  let packed = Buffer.allocUnsafeSlow(16_384)
  let end = 0

  /** Appends a text with its length in front, and returns its encoding. */
  function append(text: string | undefined): number {
    if (text === undefined) return ABSENT
    // How long the length is shows when the text is written: so the text may have to move up.
    const written = writeText(text, packed, end + 1)
    place(packed, end + 1, lengthOf(written))
    return encodingOf(written)
  }

  function appendData(text: string): number {
    const start = end + 1
    const written = writeText(text, packed, start)
    const length = lengthOf(written)
    if (length <= MAX_SHORTENED) {
      dictionary.learn(packed, start, start + length)
      const shortened = dictionary.encode(packed, start, start + length, scratch)
      if (shortened > 0) {
        place(scratch, 0, shortened)
        return encodingOf(written) + SHORTENED
      }
    }
    place(packed, start, length)
    return encodingOf(written)
  }

  /** Appends bytes with their length in front. */
  function place(source: Buffer, start: number, length: number): void {
    const target = end + sizeOfLength(length)
    if (source !== packed || start !== target) source.copy(packed, target, start, start + length)
    writeLength(packed, end, length)
    end = target + length
  }

  return {
    get packed() {
      return packed
    },
    pack(data, principal, key) {
      const room = MAX_HEADER + maxBytes(data) + maxBytes(principal ?? '') + maxBytes(key ?? '')
      if (room > packed.length) packed = Buffer.allocUnsafeSlow(room)
      end = 1
      packed[0] = (append(principal) << PRINCIPAL) | (append(key) << KEY) | (appendData(data) << DATA)
      return end
    },
    readData(source, offset) {
      const flags = source[offset]!
      let start = offset + 1
      if (encodingAt(flags, PRINCIPAL) !== ABSENT) start = skip(source, start)
      if (encodingAt(flags, KEY) !== ABSENT) start = skip(source, start)
      const encoding = encodingAt(flags, DATA)
      if (flags >>> DATA < SHORTENED) return readAt(source, start, encoding)
      const from = start + sizeOfLength(readLength(source, start))
      const length = dictionary.decode(source, from, skip(source, start), scratch)
      return readText(scratch, 0, length, encoding as Encoding)
    },
    readPrincipal(source, offset) {
      const encoding = encodingAt(source[offset]!, PRINCIPAL)
      return encoding === ABSENT ? undefined : readAt(source, offset + 1, encoding)
    },
    readKey(source, offset) {
      const flags = source[offset]!
      const encoding = encodingAt(flags, KEY)
      if (encoding === ABSENT) return undefined
      return readAt(
        source,
        encodingAt(flags, PRINCIPAL) === ABSENT ? offset + 1 : skip(source, offset + 1),
        encoding,
      )
    },
  }
}

function encodingAt(flags: number, shift: number): number {
  return (flags >>> shift) & 3
}

/** Reads the text at `start`, where its length stands. */
function readAt(source: Buffer, start: number, encoding: number): string {
  const length = readLength(source, start)
  const from = start + sizeOfLength(length)
  return readText(source, from, from + length, encoding as Encoding)
}

/** Offset behind the text at `start`. */
function skip(source: Buffer, start: number): number {
  const length = readLength(source, start)
  return start + sizeOfLength(length) + length
}

/** Seven bits to a byte, the lowest first; the eighth says that more follow. */
function writeLength(target: Buffer, offset: number, length: number): void {
  let rest = length
  for (; rest > 127; rest >>>= 7) target[offset++] = (rest & 127) | 128
  target[offset] = rest
}

function readLength(source: Buffer, offset: number): number {
  let length = 0
  let shift = 0
  let byte = source[offset]!
  for (; byte > 127; byte = source[++offset]!) {
    length |= (byte & 127) << shift
    shift += 7
  }
  return length | (byte << shift)
}

function sizeOfLength(length: number): number {
  let size = 1
  for (let rest = length; rest > 127; rest >>>= 7) size++
  return size
}
