/**
 * Shortens texts by what the sessions of one application have in common: field names, user agents, locales.
 *
 * The dictionary learns from the first sessions, keeping what two of them share, and then stays as it is. A text
 * becomes runs of bytes of its own and references into the dictionary. Nothing is thrown away, so every text can be
 * read for as long as the store lives; and what was learned stays in memory after its sessions are gone.
 *
 * @module
 */

/** Bytes that can be learned: within the 16 bits of a reference, and within the processor's nearest caches. */
const CAPACITY = 32_768
/** Sessions that are learned from. */
const LESSONS = 1_000
/** One text of so many is a lesson, since neighbours are often one session written twice, with its secrets. */
const LESSON_INTERVAL = 5
/** Bytes of a text that are looked at for learning. */
const SAMPLE_BYTES = 2_048

/** Shortest match: a reference takes three bytes, and ends a run, which takes one more. */
const MIN_MATCH = 6
const MAX_MATCH = MIN_MATCH + 127
/** Shortest fragment that is worth learning, and by how much it must beat what is known. */
const MIN_FRAGMENT = 8
const MIN_GAIN = 4
const MAX_RUN = 128
const REFERENCE = 0x80

const INDEX_BITS = 15
const SAMPLE_INDEX_BITS = 11

/** Encodes and decodes texts as bytes. */
export interface Dictionary {
  /** Learns from a text, if it is one of the first. */
  learn(text: Uint8Array, start: number, end: number): void
  /**
   * Encodes `text[start, end)` into the beginning of `target`.
   *
   * @returns Bytes written, or 0 when the text would not get shorter.
   */
  encode(text: Uint8Array, start: number, end: number, target: Uint8Array): number
  /** Decodes `source[start, end)` into the beginning of `target`, and returns the number of bytes written. */
  decode(source: Uint8Array, start: number, end: number, target: Uint8Array): number
}

/** Creates an empty dictionary. */
export function createDictionary(): Dictionary {
  const known = new Uint8Array(CAPACITY)
  /** Where a sequence of bytes was learned, plus one, by its hash. */
  const index = new Uint16Array(1 << INDEX_BITS)
  let size = 0
  let texts = 0
  let lessons = 0
  let sample = new Uint8Array(0)

  /** Position of the known bytes that begin like the text here, or -1. */
  function findKnown(text: Uint8Array, position: number): number {
    return index[hashAt(text, position, INDEX_BITS)]! - 1
  }

  function study(text: Uint8Array): void {
    const sampleIndex = new Uint16Array(1 << SAMPLE_INDEX_BITS)
    for (let position = 0; position <= sample.length - MIN_MATCH; position++)
      sampleIndex[hashAt(sample, position, SAMPLE_INDEX_BITS)] = position + 1

    for (let position = 0; position <= text.length - MIN_MATCH;) {
      const here = findKnown(text, position)
      const there = sampleIndex[hashAt(text, position, SAMPLE_INDEX_BITS)]! - 1
      const knownLength = here < 0 ? 0 : matchLength(text, position, text.length, known, here, size)
      const length = there < 0 ? 0 : matchLength(text, position, text.length, sample, there, sample.length)
      const isNew = length >= MIN_FRAGMENT && length >= knownLength + MIN_GAIN
      if (isNew) add(text, position, length)
      position += Math.max(1, isNew ? length : knownLength)
    }
  }

  function add(text: Uint8Array, start: number, length: number): void {
    if (size + length > CAPACITY) return
    known.set(text.subarray(start, start + length), size)
    for (let position = size; position <= size + length - MIN_MATCH; position++)
      index[hashAt(known, position, INDEX_BITS)] = position + 1
    size += length
  }

  return {
    learn(text, start, end) {
      if (lessons === LESSONS || texts++ % LESSON_INTERVAL !== 0) return
      const next = text.slice(start, Math.min(end, start + SAMPLE_BYTES))
      study(next)
      sample = ++lessons === LESSONS ? new Uint8Array(0) : next
    },
    encode(text, start, end, target) {
      if (size === 0) return 0
      const limit = end - start - 1
      let output = 0
      let run = start
      let position = start
      while (position <= end - MIN_MATCH) {
        const here = findKnown(text, position)
        const length = here < 0 ? 0 : matchLength(text, position, end, known, here, size)
        if (length < MIN_MATCH) {
          position++
          continue
        }
        output = writeRun(text, run, position, target, output)
        if (output + 3 > limit) return 0
        target[output] = REFERENCE | (length - MIN_MATCH)
        target[output + 1] = here & 0xff
        target[output + 2] = here >>> 8
        output += 3
        position += length
        run = position
      }
      output = writeRun(text, run, end, target, output)
      return output > limit ? 0 : output
    },
    decode(source, start, end, target) {
      let output = 0
      let position = start
      while (position < end) {
        const control = source[position++]!
        let from = position
        let length = control + 1
        let origin = source
        if (control >= REFERENCE) {
          length = (control & 0x7f) + MIN_MATCH
          from = source[position]! | (source[position + 1]! << 8)
          origin = known
          position += 2
        } else position += length
        for (const stop = from + length; from < stop; from++) target[output++] = origin[from]!
      }
      return output
    },
  }
}

/** Writes bytes that are not in the dictionary, in as many runs as it takes. */
function writeRun(text: Uint8Array, start: number, end: number, target: Uint8Array, output: number): number {
  for (let from = start; from < end; from += MAX_RUN) {
    const length = Math.min(MAX_RUN, end - from)
    target[output++] = length - 1
    for (let offset = 0; offset < length; offset++) target[output++] = text[from + offset]!
  }
  return output
}

function matchLength(
  a: Uint8Array,
  from: number,
  end: number,
  b: Uint8Array,
  other: number,
  size: number,
): number {
  const longest = Math.min(MAX_MATCH, end - from, size - other)
  let length = 0
  while (length < longest && a[from + length] === b[other + length]) length++
  return length
}

/** Hashes the six bytes at a position. */
function hashAt(bytes: Uint8Array, position: number, bits: number): number {
  const low = bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16)
  const high = bytes[position + 3]! | (bytes[position + 4]! << 8) | (bytes[position + 5]! << 16)
  return (Math.imul(low, 0x9e37_79b1) ^ Math.imul(high, 0x85eb_ca77)) >>> (32 - bits)
}
