/**
 * Stateless tokens that can be revoked: access tokens, their keys, and tokens of foreign issuers.
 *
 * @module
 */

export {
  isSameOrigin,
  type OriginNodeRequest,
  type OriginWebRequest,
  type SameOriginOptions,
} from '../http/origin.ts'
export {
  type AccessCookie,
  createAccessCookie,
  type AccessCookieOptions,
  type AccessCookieRequest,
} from './access-cookie.ts'
export {
  bearerChallenge,
  type BearerChallenge,
  type BearerChallengeOptions,
  type BearerCredentials,
  type BearerNodeRequest,
  type BearerRejection,
  type BearerWebRequest,
  type ChallengeReason,
  hasScope,
  readBearer,
} from './bearer.ts'
export type { AccessClaims, ClaimRejection, TimeRejection } from './claims.ts'
export type { IssueOptions, TokenClaims } from './issue.ts'
export {
  createForeignVerifier,
  type ForeignKeys,
  type ForeignRejection,
  type ForeignVerification,
  type ForeignVerifier,
  type ForeignVerifierOptions,
} from './jose/foreign.ts'
export type { SignatureRejection } from './jose/foreign-signature.ts'
export type { ActiveKey, ActiveKeys } from './key-set/active-keys.ts'
export {
  createKeySet,
  type Jwks,
  type KeyInfo,
  type KeySet,
  type KeySetOptions,
  type RotationOptions,
} from './key-set.ts'
export { createKeyStore, type KeyStore, type KeyStoreOptions } from './key-store.ts'
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
export { createRefreshCookie, type RefreshCookie, type RefreshCookieOptions } from './refresh-cookie.ts'
export {
  createRefreshTokens,
  type RefreshClaims,
  type RefreshEvent,
  type RefreshGrant,
  type RefreshIndex,
  type RefreshInfo,
  type RefreshOptions,
  type RefreshRejection,
  type RefreshResult,
  type RefreshRevocations,
  type RefreshStart,
  type RefreshTokens,
} from './refresh.ts'
export type { TokenPair, TokenPairs } from './refresh/pairs.ts'
export type { RevocableClaims, RevocationCheck, RevocationStatus } from './revocation-check.ts'
export {
  MAX_SUBJECT_LENGTH,
  type RevocationEntry,
  type RevocationListener,
  type RevocationLog,
  type RevocationSnapshot,
  type RevocationSubscription,
} from './revocation-log.ts'
export {
  createRevocations,
  type RevocationEvent,
  type Revocations,
  type RevocationsOptions,
  type RevocationStats,
  type RevokeSinceOptions,
} from './revocations.ts'
export { createMemoryRevocationLog, type MemoryRevocationLogOptions } from './revocations/memory.ts'
export { createNatsRevocationLog } from './revocations/nats.ts'
export {
  createPostgresRevocationLog,
  migratePostgresRevocations,
  type PostgresRevocationOptions,
} from './revocations/postgres.ts'
export {
  createRedisRevocationLog,
  type DuplicableRedisClient,
  type RedisRevocationLogOptions,
  type RedisSubscriber,
} from './revocations/redis.ts'
export {
  createSqliteRevocationLog,
  migrateSqliteRevocations,
  type SqliteRevocationOptions,
} from './revocations/sqlite.ts'
export { createTokens, type Tokens, type TokensOptions } from './tokens.ts'
export type { TokenRejection, Verification } from './verify.ts'
