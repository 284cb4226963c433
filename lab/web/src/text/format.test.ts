import { describe, expect, it } from 'vitest'
import {
  formatBytes,
  formatDuration,
  formatNumber,
  formatTime,
  isSameHandle,
  percentOf,
  shortHandle,
} from './format.ts'

describe('formatNumber()', () => {
  it('groups thousands', () => {
    expect(formatNumber(12_345, 'en')).toBe('12,345')
    expect(formatNumber(12_345, 'ko')).toBe('12,345')
  })
})

describe('formatTime()', () => {
  it('writes 24 hours, midnight as 00', () => {
    expect(formatTime(Date.UTC(2026, 0, 1, 0, 5, 9), 'UTC')).toBe('00:05:09')
    expect(formatTime(Date.UTC(2026, 0, 1, 0, 5, 9), 'Asia/Seoul')).toBe('09:05:09')
  })
})

describe('formatDuration()', () => {
  it.each([
    [0.42, '0.4 ms'],
    [9.99, '10 ms'],
    [12.4, '12 ms'],
    [999.7, '1 s'],
    [1_540, '1.5 s'],
    [59_999, '1 min'],
    [125_000, '2 min 5 s'],
  ])('writes %d ms as %s', (milliseconds, text) => {
    expect(formatDuration(milliseconds).replaceAll('\u00a0', ' ')).toBe(text)
  })
})

describe('formatBytes()', () => {
  it.each([
    [0, '0 B'],
    [812.4, '812 B'],
    [999.6, '1 KB'],
    [1_240, '1.2 KB'],
    [14_249, '14 KB'],
    [999_700, '1 MB'],
    [42_000_000, '42 MB'],
    [1_100_000_000, '1.1 GB'],
    [2e12, '2000 GB'],
  ])('writes %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes).replaceAll('\u00a0', ' ')).toBe(text)
  })
})

describe('isSameHandle()', () => {
  it('compares as much as both sides have', () => {
    expect(isSameHandle('abcdefgh', 'abcdefghijkl')).toBe(true)
    expect(isSameHandle('abcdefghijkl', 'abcdefgh')).toBe(true)
    expect(isSameHandle('abcdefgh', 'abcdefgX')).toBe(false)
  })

  it('finds nothing the same as nothing', () => {
    expect(isSameHandle(undefined, 'abc')).toBe(false)
    expect(isSameHandle('', 'abc')).toBe(false)
  })
})

describe('shortHandle()', () => {
  it('cuts to eight characters', () => {
    expect(shortHandle('abcdefghijkl')).toBe('abcdefgh')
  })
})

describe('percentOf()', () => {
  it.each([
    [0, 0, 0],
    [0, 200, 0],
    [1, 200, 1],
    [199, 200, 99],
    [200, 200, 100],
    [1_999, 2_000, 99],
  ])('writes %d of %d as %d percent', (part, whole, percent) => {
    expect(percentOf(part, whole)).toBe(percent)
  })
})
