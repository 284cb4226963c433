import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createIdSource, isSessionId, keyOf } from './id.ts'

describe('createIdSource()', () => {
  it('writes 256 random bits as 43 characters of base64url', () => {
    const mint = createIdSource((bytes) => bytes.fill(0xfb))

    const id = mint()

    expect(id).toBe(Buffer.alloc(32, 0xfb).toString('base64url'))
    expect(id).toHaveLength(43)
  })

  it('never uses the same bytes twice', () => {
    const mint = createIdSource()

    const ids = Array.from({ length: 1_000 }, mint)

    expect(new Set(ids).size).toBe(1_000)
  })

  it('takes every id from bytes that were filled for it alone', () => {
    let next = 0
    const mint = createIdSource((bytes) => {
      for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32BE(next++, at)
    })

    const ids = Array.from({ length: 300 }, mint)

    expect(ids.map((id) => Buffer.from(id, 'base64url').readUInt32BE(0))).toEqual(
      Array.from({ length: 300 }, (_, at) => at * 8),
    )
  })

  it('leaves no byte of a minted id in its pool', () => {
    let pool: Buffer = Buffer.alloc(0)
    const mint = createIdSource((bytes) => {
      pool = bytes
      bytes.fill(7)
    })

    mint()
    mint()

    expect(pool.subarray(0, 64).equals(Buffer.alloc(64))).toBe(true)
    expect(pool.subarray(64).every((byte) => byte === 7)).toBe(true)
  })
})

describe('isSessionId()', () => {
  it('accepts what the source mints', () => {
    const mint = createIdSource()

    expect(Array.from({ length: 300 }, mint).every(isSessionId)).toBe(true)
  })

  it.for([
    '',
    'A'.repeat(42),
    'A'.repeat(44),
    `${'A'.repeat(42)}=`,
    `${'A'.repeat(42)}\n`,
    `${'A'.repeat(42)}Ł`,
  ])('refuses %j', (text) => {
    expect(isSessionId(text)).toBe(false)
  })
})

describe('keyOf()', () => {
  it('is the SHA-256 of the id as it stands in the cookie', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const id = Buffer.from(bytes).toString('base64url')

        expect(keyOf(id)).toBe(createHash('sha256').update(id, 'ascii').digest('base64url'))
      }),
    )
  })
})
