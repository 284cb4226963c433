/**
 * What a verifier of access tokens must refuse and accept, as data: an attack table that any test runner can put to any
 * verifier.
 *
 * Everything is forged with `node:crypto` alone, so no part of this package vouches for another.
 *
 * @module
 */

import type { KeyObject } from 'node:crypto'
import type { TokenAlgorithm } from '../tokens/keys.ts'
import { algorithmClauses } from './token-clauses/algorithms.ts'
import { claimClauses } from './token-clauses/claims.ts'
import { controlClauses } from './token-clauses/controls.ts'
import { encodingClauses } from './token-clauses/encoding.ts'
import { headerClauses } from './token-clauses/headers.ts'
import { payloadClauses } from './token-clauses/payloads.ts'
import { signatureClauses } from './token-clauses/signatures.ts'

/**
 * A verifier under examination, and all that an issuer knows that it trusts.
 *
 * The attacker has signed tokens with this key now and then, as a careless issuer would; most rows are signed well.
 */
export interface TokenTrial {
  /** Issuer that is accepted. */
  readonly issuer: string
  /** Audience that the verifier is. */
  readonly audience: string
  /** Name of the key. */
  readonly kid: string
  readonly alg: TokenAlgorithm
  /** The secret or private key that tokens are signed with. */
  readonly key: KeyObject
  /** Instant at which the verifier thinks to be, in milliseconds since the Unix epoch; a whole second. */
  readonly now: number
  /** The verifier. It must neither throw nor reject. */
  readonly verify: (token: unknown) => TokenVerdict | Promise<TokenVerdict>
}

/** The part of an answer that is looked at. */
export interface TokenVerdict {
  readonly ok: boolean
}

/** One row of the table. */
export interface TokenClause {
  /** What is presented. Unique in {@link tokenContract}. */
  readonly title: string
  /** What must become of it. */
  readonly expect: 'accepted' | 'refused'
  /** Algorithms that the row is for. @default all */
  readonly algorithms?: readonly TokenAlgorithm[]
  /** Makes what is presented, usually a string. */
  readonly forge: (trial: TokenTrial) => unknown
}

/**
 * Every row of the table.
 *
 * @example
 * ```ts
 * for (const { title, expect: expected, forge } of tokenClauses(trial.alg)) {
 *   it(`${expected}: ${title}`, async () => {
 *     const { ok } = await trial.verify(forge(trial))
 *     assert.equal(ok, expected === 'accepted')
 *   })
 * }
 * ```
 */
export const tokenContract: readonly TokenClause[] = [
  ...controlClauses,
  ...algorithmClauses,
  ...headerClauses,
  ...encodingClauses,
  ...signatureClauses,
  ...payloadClauses,
  ...claimClauses,
]

/** The rows that are for an algorithm. */
export function tokenClauses(alg: TokenAlgorithm): readonly TokenClause[] {
  return tokenContract.filter(({ algorithms }) => algorithms === undefined || algorithms.includes(alg))
}
