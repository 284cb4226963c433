/**
 * Names the network that an address belongs to, as far as one person can choose their address in it.
 *
 * @module
 */

import { isIPv6 } from 'node:net'

/**
 * Gives the key under which tries from an address are counted.
 *
 * IPv6 providers hand out a /64 or more to one household, so only its first 64 bits count. An IPv4 address counts in
 * whole, also where it arrives as `::ffff:192.0.2.1`.
 */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped) return mapped
  const [plain = ''] = address.split('%')
  if (!isIPv6(plain)) return address.slice(0, 64)
  return `${expand(plain).slice(0, 4).join(':')}::/64`
}

function expand(address: string): string[] {
  const [head = '', tail] = address.split('::')
  const left = groupsOf(head)
  const right = groupsOf(tail ?? '')
  const gap = tail === undefined ? 0 : 8 - left.length - right.length
  return [...left, ...Array<string>(Math.max(gap, 0)).fill('0'), ...right]
}

function groupsOf(part: string): string[] {
  if (part === '') return []
  return part.split(':').map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
}
