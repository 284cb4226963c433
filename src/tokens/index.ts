/**
 * Stateless tokens that can be revoked: access tokens, their keys, and tokens of foreign issuers.
 *
 * @module
 */

export type { AccessClaims, ClaimRejection, TimeRejection } from './claims.ts'
export type { IssueOptions, TokenClaims } from './issue.ts'
export type { ActiveKey, ActiveKeys } from './key-set/active-keys.ts'
export {
  createKeySet,
  type Jwks,
  type KeyInfo,
  type KeySet,
  type KeySetOptions,
  type RotationOptions,
} from './key-set.ts'
export {
  generateKey,
  type GenerateKeyOptions,
  importPem,
  type KeyState,
  type NamedKeyObject,
  type PemKeyOptions,
  type StoredKey,
  type TokenAlgorithm,
  type TokenJwk,
  type TokenKey,
} from './keys.ts'
export type { RevocableClaims, RevocationCheck, RevocationStatus } from './revocation-check.ts'
export { createTokens, type Tokens, type TokensOptions } from './tokens.ts'
export type { TokenRejection, Verification } from './verify.ts'
