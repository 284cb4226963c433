import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDictionary, type Dictionary } from './dictionary.ts'

const target = new Uint8Array(16_384)

function learnFrom(dictionary: Dictionary, texts: readonly string[]): void {
  for (const text of texts) {
    const bytes = Buffer.from(text)
    // Only one text of so many is a lesson.
    for (let time = 0; time < 5; time++) dictionary.learn(bytes, 0, bytes.length)
  }
}

/** Length after encoding, and the text after decoding; the text itself where it does not get shorter. */
function roundTrip(dictionary: Dictionary, text: string): { length: number; text: string } {
  const padded = Buffer.from(`\0\0${text}\0`)
  const length = dictionary.encode(padded, 2, padded.length - 1, target)
  if (length === 0) return { length: padded.length - 3, text }
  const encoded = Buffer.concat([Buffer.from('\0\0\0'), target.subarray(0, length), Buffer.from('\0')])
  const decoded = new Uint8Array(16_384)
  const end = dictionary.decode(encoded, 3, 3 + length, decoded)
  return { length, text: Buffer.from(decoded.subarray(0, end)).toString() }
}

describe('createDictionary()', () => {
  it('leaves a text as it is before it has learned anything', () => {
    const dictionary = createDictionary()

    const length = dictionary.encode(Buffer.from('a'.repeat(100)), 0, 100, target)

    expect(length).toBe(0)
  })

  it('shortens what two texts had in common', () => {
    const dictionary = createDictionary()
    const textOf = (name: string) => `{"user":{"name":"${name}"},"locale":"ko-KR","theme":"dark","옷":[]}`
    learnFrom(dictionary, [textOf('ada'), textOf('grace')])

    const joan = roundTrip(dictionary, textOf('joan'))

    expect(joan.text).toBe(textOf('joan'))
    expect(joan.length).toBeLessThan(textOf('joan').length / 4)
  })

  it('gives every text back, and never makes one longer', () => {
    const fragment = fc.constantFrom(
      '{"locale":"ko-KR",',
      '"theme":"dark"}',
      '옷장과 외투',
      'Mozilla/5.0 (X11; ',
      'x'.repeat(300),
    )
    const text = fc
      .array(fc.oneof(fragment, fc.string({ unit: 'grapheme', maxLength: 200 })), { maxLength: 8 })
      .map((parts) => parts.join(''))
    const property = fc.property(fc.array(text, { maxLength: 12 }), fc.array(text), (lessons, texts) => {
      const dictionary = createDictionary()
      learnFrom(dictionary, lessons)

      const results = [...lessons, ...texts].map((text) => ({ text, result: roundTrip(dictionary, text) }))

      for (const { text, result } of results) {
        expect(result.text).toBe(text)
        expect(result.length).toBeLessThanOrEqual(Buffer.byteLength(text))
      }
    })

    fc.assert(property, { numRuns: 150 })
  })

  it('keeps texts readable that were encoded before it learned more', () => {
    const dictionary = createDictionary()
    learnFrom(dictionary, ['{"locale":"ko-KR"}', '{"locale":"ko-KR"}'])
    const text = Buffer.from('{"locale":"ko-KR","theme":"dark"}')
    const length = dictionary.encode(text, 0, text.length, target)
    const early = target.slice(0, length)

    learnFrom(dictionary, ['{"locale":"ko-KR","theme":"dark"}', '{"locale":"ko-KR","theme":"dark"}'])

    const decoded = new Uint8Array(100)
    const end = dictionary.decode(early, 0, length, decoded)
    expect(Buffer.from(decoded.subarray(0, end)).toString()).toBe(text.toString())
    expect(dictionary.encode(text, 0, text.length, target)).toBeLessThan(length)
  })

  it('learns nothing that only one session had, though it was written several times', () => {
    const dictionary = createDictionary()
    const secret = '{"token":"q3n8Zk1vX0fLr5Tt7Yw2"}'
    const bytes = Buffer.from(secret)
    for (let time = 0; time < 5; time++) dictionary.learn(bytes, 0, bytes.length)
    learnFrom(dictionary, ['{"token":"a"}', '{"token":"b"}'])

    const { length } = roundTrip(dictionary, '"q3n8Zk1vX0fLr5Tt7Yw2"')

    expect(length).toBe(22)
  })

  it('goes on when it is full', () => {
    const dictionary = createDictionary()
    const texts = Array.from({ length: 600 }, () => randomBytes(60).toString('base64'))
    for (const text of texts) learnFrom(dictionary, [text, text])

    const lengths = texts.map((text) => roundTrip(dictionary, text))

    expect(lengths.map(({ text }) => text)).toEqual(texts)
    expect(lengths[0]?.length).toBeLessThan(40)
    expect(lengths.at(-1)?.length).toBe(80)
  })
})
