/**
 * Sessions that stay true when you scale.
 *
 * @module
 */

export type { DeepReadonly } from './session/attributes.ts'
export type { CookieOptions } from './session/cookie.ts'
export type { Duration } from './duration.ts'
export {
  type ErrorCode,
  LateWriteError,
  SessionConflictError,
  SessionSupersededError,
  SessionTooLargeError,
} from './session/errors.ts'
export type { SessionEvent, SessionEventName, SessionEvents, SessionListener } from './session/events.ts'
export type { HttpExchange } from './session/exchange.ts'
export type { RandomFill } from './session/id.ts'
export type { LifetimeOptions, TimeoutPreset } from './session/lifetime.ts'
export type { LoadOptions, OutagePolicy } from './session/loader.ts'
export type {
  PrincipalRevocation,
  PrincipalSessions,
  RevokeOptions,
  SessionInfo,
} from './session/principal-sessions.ts'
export type { Device } from './session/record.ts'
export type { LoginOptions, Session } from './session/session.ts'
export type { ManagerOptions } from './session/manager.ts'
export { createSealedSessions, type SealedSessionsOptions } from './session/sealed.ts'
export type { SealedRevocations } from './session/sealed/engine.ts'
export type { Secret } from './session/sealed/seal.ts'
export type { TokenRevocations } from './session/token-ties.ts'
export {
  createSessions,
  type RevocableSessions,
  type Sessions,
  type SessionsOptions,
  type UserSessions,
} from './session/sessions.ts'
export type { CommitOutcome } from './session/state.ts'
export {
  CorruptRecordError,
  type IndexedSessionStore,
  MAX_RECORD_LENGTH,
  type RevokingSessionStore,
  type SessionCopies,
  type SessionRecord,
  type SessionStore,
  StoreUnavailableError,
  type StoredSession,
  type SweptSession,
  type WriteResult,
} from './stores/store.ts'
