/**
 * A set of keys that changes while servers run, without logging anybody out.
 *
 * @module
 */

import { type Duration, readDuration } from '../duration.ts'
import { exportKey } from './keys/import-key.ts'
import type { KeyState, StoredKey, TokenAlgorithm, TokenJwk, TokenKey } from './keys.ts'
import { type ActiveKeys, arrangeKeys, type HeldKey } from './key-set/active-keys.ts'
import { holdKeys } from './key-set/held-keys.ts'
import {
  advanceKeys,
  announceKey,
  promoteKey,
  retireKey,
  type RotationSchedule,
} from './key-set/transitions.ts'

/** When the steps of a rotation are due. */
export interface RotationOptions {
  /** Algorithm of keys to come. @default that of the signing key */
  readonly algorithm?: TokenAlgorithm
  /** Age of the signing key at which its successor is announced. @default '30d' */
  readonly rotateEvery?: Duration
  /**
   * How long a key is announced before it signs: longer than any server or any reader of {@link KeySet.jwks} takes to
   * look again.
   *
   * @default '1h'
   */
  readonly announceFor?: Duration
  /**
   * How long a key is accepted after it stopped signing: longer than a token lives, plus the time in which a server may
   * go on signing because it has not looked again.
   *
   * @default '1h'
   */
  readonly overlap?: Duration
}

/** Options of {@link createKeySet}. */
export interface KeySetOptions extends RotationOptions {
  /**
   * Clock, in milliseconds since the Unix epoch.
   *
   * @default Date.now
   */
  readonly now?: () => number
}

/** What can be told of a key. */
export interface KeyInfo {
  readonly kid: string
  readonly alg: TokenAlgorithm
  readonly state: KeyState
  /** Instant at which the key came into this state, in milliseconds since the Unix epoch. */
  readonly since: number
}

/** A JSON Web Key Set (RFC 7517 §5) of public keys. */
export interface Jwks {
  readonly keys: readonly (TokenJwk & { readonly use: 'sig' })[]
}

/** Keys in their states. Every change takes effect at once for all that was created with the set. */
export interface KeySet {
  /** How long a key is accepted after it stopped signing, in milliseconds. */
  readonly overlap: number
  /** Names and states of all keys, the retired ones too. */
  keys(): readonly KeyInfo[]
  /**
   * Adds a key that will sign later. It is published, and accepted, from now on.
   *
   * @throws {TypeError} when the key is unfit, is public, or has a name that is taken.
   */
  announce(key: TokenKey): void
  /**
   * Lets an announced key sign, and the one before verify only.
   *
   * @throws {RangeError} when the key is not announced.
   */
  promote(kid: string): void
  /**
   * Refuses the tokens of a key that verifies only, now: what a leaked key needs. Whoever holds one is logged out.
   *
   * @throws {RangeError} when the key is not `verify-only`.
   */
  retire(kid: string): void
  /**
   * Takes the steps that are due by the set's times: announces a successor, promotes it, retires what was overlapped.
   *
   * Call it every few minutes where one process owns the keys. Servers that share their keys use a key store.
   *
   * @returns Whether anything changed.
   */
  rotate(): boolean
  /**
   * Replaces all keys by those that another server persisted. A set that is unfit changes nothing.
   *
   * @throws {TypeError | RangeError} as {@link createKeySet} does.
   */
  replace(keys: readonly (TokenKey | StoredKey)[]): void
  /** The keys as plain JSON, to be persisted. **Secret**: it holds private keys. */
  export(): readonly StoredKey[]
  /** The public keys that are accepted, to be published. HS256 keys are never in it. */
  jwks(): Jwks
  /** What may be signed with and accepted at this moment. */
  active(): ActiveKeys
}

/**
 * Creates a key set.
 *
 * @param keys One or more keys. At most one signs; a set without one verifies only, and takes public keys.
 * @throws {TypeError} when keys do not fit together, or one does not fit its algorithm.
 * @throws {RangeError} when a key is too weak, or a time is out of range.
 * @example
 * ```ts
 * const keys = createKeySet([generateKey('ES256')])
 * const tokens = createTokens({ issuer, audience, keys })
 * setInterval(() => keys.rotate(), 60_000).unref()
 * ```
 */
export function createKeySet(keys: readonly (TokenKey | StoredKey)[], options: KeySetOptions = {}): KeySet {
  const { now = Date.now } = options
  const schedule = readSchedule(options)
  const operation = 'create a key set'
  let held = holdKeys(operation, keys, now())
  let active = arrangeKeys(held)

  function replace(next: readonly (TokenKey | StoredKey)[], operation: string): void {
    held = holdKeys(operation, next, now())
    active = arrangeKeys(held, active)
  }

  const stored = () => held.map(toStoredKey)

  return {
    overlap: schedule.overlap,
    keys: () => held.map(({ kid, alg, state, since }) => ({ kid, alg, state, since })),
    announce: (key) => replace(announceKey(stored(), key, now()), 'announce a key'),
    promote: (kid) => replace(promoteKey(stored(), kid, now()), 'promote a key'),
    retire: (kid) => replace(retireKey(stored(), kid, now()), 'retire a key'),
    rotate() {
      const before = stored()
      const after = advanceKeys(before, now(), schedule)
      if (after === before) return false
      replace(after, 'rotate keys')
      return true
    },
    replace: (next) => replace(next, 'replace the keys of a set'),
    export: stored,
    jwks: () => ({ keys: held.filter(isPublished).map((key) => ({ ...exportKey(key, false), use: 'sig' })) }),
    active: () => active,
  }
}

/** Reads the times of a rotation, in milliseconds. */
export function readSchedule(options: RotationOptions): RotationSchedule {
  const { algorithm, rotateEvery = '30d', announceFor = '1h', overlap = '1h' } = options
  return {
    algorithm,
    rotateEvery: readDuration('schedule key rotation', 'rotateEvery', rotateEvery),
    announceFor: readDuration('schedule key rotation', 'announceFor', announceFor),
    overlap: readDuration('schedule key rotation', 'overlap', overlap),
  }
}

function toStoredKey(key: HeldKey): StoredKey {
  const { kid, alg, state, since } = key
  return { kid, alg, jwk: exportKey(key, true), state, since }
}

function isPublished({ alg, state }: HeldKey): boolean {
  return alg !== 'HS256' && state !== 'retired'
}
