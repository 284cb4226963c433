/**
 * The steps that the keys of a set take, as functions from one persisted list to the next.
 *
 * Nothing here reads a clock or keeps state, so servers that share a list can race for the same step with a
 * conditional write.
 *
 * @module
 */

import { exportKey, importKey } from '../keys/import-key.ts'
import { generateKey, type KeyState, type StoredKey, type TokenAlgorithm, type TokenKey } from '../keys.ts'

/** When the steps of a rotation are due; all times in milliseconds. */
export interface RotationSchedule {
  /** Algorithm of keys to come; `undefined` for that of the signing key. */
  readonly algorithm: TokenAlgorithm | undefined
  /** Age of a signing key at which its successor is announced. */
  readonly rotateEvery: number
  /** How long a key is announced before it signs. */
  readonly announceFor: number
  /** How long a key is accepted after it stopped signing. */
  readonly overlap: number
}

/** Adds a key that will sign later. Keys that are given without state are announced, whatever else they say. */
export function announceKey(keys: readonly StoredKey[], key: TokenKey, now: number): readonly StoredKey[] {
  const imported = importKey('announce a key', key)
  if (imported.signing === undefined) {
    throw new TypeError('Cannot announce a key as a public key cannot sign later: give its private key')
  }
  const { kid, alg } = imported
  return [...keys, { kid, alg, jwk: exportKey(imported, true), state: 'announced', since: now }]
}

/**
 * Lets an announced key sign from now on; the one that signed until now verifies only, and forgets its private part.
 *
 * @throws {RangeError} when no announced key has this name.
 */
export function promoteKey(keys: readonly StoredKey[], kid: string, now: number): readonly StoredKey[] {
  assertState('promote', keys, kid, 'announced')
  return keys.map((key) => {
    if (key.kid === kid) return { ...key, state: 'signing', since: now }
    return key.state === 'signing' ? withoutPrivatePart({ ...key, state: 'verify-only', since: now }) : key
  })
}

/**
 * Refuses the tokens of a key from now on.
 *
 * @throws {RangeError} when no key that verifies only has this name: another must sign before the signing key can go.
 */
export function retireKey(keys: readonly StoredKey[], kid: string, now: number): readonly StoredKey[] {
  assertState('retire', keys, kid, 'verify-only')
  return keys.map((key) => (key.kid === kid ? { ...key, state: 'retired', since: now } : key))
}

function assertState(step: string, keys: readonly StoredKey[], kid: string, state: KeyState): void {
  const found = keys.find((key) => key.kid === kid)
  if (found?.state === state) return
  throw new RangeError(`Cannot ${step} a key that is not ${state}: it is ${found?.state ?? 'not in the set'}`)
}

function withoutPrivatePart(key: StoredKey): StoredKey {
  return key.alg === 'HS256' ? key : { ...key, jwk: exportKey(importKey('rotate keys', key), false) }
}

/**
 * Takes every step that is due: promotes, announces, retires, and drops what has been retired for as long.
 *
 * A key is retired `overlap` after it stopped signing, so every token it signed has expired by then.
 *
 * @returns The very list it was given when nothing is due.
 * @throws {TypeError} when no key signs.
 */
export function advanceKeys(
  keys: readonly StoredKey[],
  now: number,
  schedule: RotationSchedule,
): readonly StoredKey[] {
  const signing = keys.find((key) => key.state === 'signing')
  if (!signing)
    throw new TypeError('Cannot rotate keys as none of them signs: rotate them where tokens are issued')
  const announced = keys.find((key) => key.state === 'announced')
  if (announced) {
    if (now < announced.since + schedule.announceFor) return retireKeys(keys, now, schedule.overlap)
    return retireKeys(promoteKey(keys, announced.kid, now), now, schedule.overlap)
  }
  const kept = retireKeys(keys, now, schedule.overlap)
  if (now < signing.since + schedule.rotateEvery) return kept
  return announceKey(kept, generateKey(schedule.algorithm ?? signing.alg), now)
}

function retireKeys(keys: readonly StoredKey[], now: number, overlap: number): readonly StoredKey[] {
  const due = (key: StoredKey, state: KeyState) => key.state === state && now >= key.since + overlap
  const kept = keys.some((key) => due(key, 'retired')) ? keys.filter((key) => !due(key, 'retired')) : keys
  return kept
    .filter((key) => due(key, 'verify-only'))
    .reduce((list, { kid }) => retireKey(list, kid, now), kept)
}
