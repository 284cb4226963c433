import { describe, expect, it } from 'vitest'
import { addressKey } from './address-key.ts'

describe('addressKey()', () => {
  it('counts an IPv4 address in whole, also when it arrives inside IPv6', () => {
    const plain = addressKey('192.0.2.7')
    const mapped = addressKey('::ffff:192.0.2.7')

    expect(plain).toBe('192.0.2.7')
    expect(mapped).toBe(plain)
  })

  it('counts one IPv6 household as one, however its addresses are spelled', () => {
    const keys = [
      '2001:db8:0:1::1',
      '2001:DB8::1:ffff:0:0:9',
      '2001:0db8:0000:0001:aaaa:bbbb:cccc:dddd',
      '2001:db8:0:1::5%eth0',
    ].map(addressKey)

    expect(new Set(keys)).toEqual(new Set(['2001:db8:0:1::/64']))
  })

  it('tells neighbours apart', () => {
    expect(addressKey('2001:db8:0:2::1')).not.toBe(addressKey('2001:db8:0:1::1'))
    expect(addressKey('::1')).toBe('0:0:0:0::/64')
  })
})
