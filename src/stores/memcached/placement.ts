/**
 * Which server of the list has a key: rendezvous hashing, so that each server added or removed moves only its own share.
 *
 * @module
 */

/**
 * Creates a placement over names.
 *
 * The order of the names does not matter. It knows nothing of servers that are away: their keys stay theirs.
 *
 * @returns Index of the name that has a key.
 */
export function createPlacement(names: readonly string[]): (key: string) => number {
  const seeds = names.map(hash)

  return (key) => {
    const hashed = hash(key)
    let best = 0
    let highest = -1
    for (let index = 0; index < seeds.length; index++) {
      const weight = mix(hashed ^ (seeds[index] ?? 0))
      if (weight <= highest) continue
      best = index
      highest = weight
    }
    return best
  }
}

/** FNV-1a over UTF-16 code units, mixed. Keys are hashes already, so nobody can choose where they go. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  return mix(value)
}

/** Spreads each bit over all 32, as MurmurHash3 does at its end. */
function mix(bits: number): number {
  let value = bits
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}
