/**
 * Recognises RSA keys that were made by a broken chip library (CVE-2017-15361, "ROCA") and can be factored.
 *
 * Its primes are powers of 65537 modulo a product of small primes, and so is their product. A sound key looks like that
 * for all of these primes once in some hundred million keys.
 *
 * @module
 */

/** The odd primes below 168: those that the moduli of every length have in common. */
const PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
  109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
]
const GENERATOR = 65_537

/** Tells whether a modulus has the mark. */
export function hasRocaMark(modulus: bigint): boolean {
  return PRIMES.every((prime) => isPower(Number(modulus % BigInt(prime)), prime))
}

/** Tells whether a remainder is a power of the generator. */
function isPower(remainder: number, prime: number): boolean {
  let power = 1
  for (let exponent = 1; exponent < prime; exponent++) {
    if (power === remainder) return true
    power = (power * GENERATOR) % prime
  }
  return false
}
