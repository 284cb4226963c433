/**
 * What happens to refresh tokens, for an audit log.
 *
 * @module
 */

import type { StoredFamily } from './family.ts'

/** Why a refresh token was refused. */
export type RefreshRejection =
  /** It does not have the shape of one. */
  | 'malformed'
  /** There is no such login: never was, expired, or ended long ago. */
  | 'unknown'
  /** No key of ours made it. */
  | 'forged'
  /** It may be good, but this server does not have its key: see {@link RefreshOptions.keys}. */
  | 'unknown-key'
  /** A key of ours made it and nobody was ever given it: the store lost writes, or the key is out. */
  | 'ahead'
  /** The login came to its idle or absolute end. */
  | 'expired'
  /** The login was ended, here or by the revocation list, or its user may not go on. */
  | 'revoked'
  /** It was used up before: the login has just been ended, as two parties held it. */
  | 'reused'

/** Something that happened to a login. No event holds a token. */
export interface RefreshEvent {
  /**
   * `started`, `rotated`; `repeated`: the same successor once more; `rejected`, with its `reason`; `reuse`: a token that
   * was used up came back and the login was ended, told once; `alarm`: see `'ahead'` of {@link RefreshRejection};
   * `revoked`: ended, told once; `corrupt`: its record could not be decoded and was set aside.
   */
  readonly type: 'started' | 'rotated' | 'repeated' | 'rejected' | 'reuse' | 'alarm' | 'revoked' | 'corrupt'
  /** Names the login; `undefined` where there is none. */
  readonly handle?: string
  readonly sub?: string
  readonly sid?: string
  readonly reason?: RefreshRejection
}

/** Tells of events. */
export interface RefreshJournal {
  tell(type: RefreshEvent['type'], family: StoredFamily): void
  reject(
    reason: RefreshRejection,
    family?: StoredFamily,
  ): { readonly ok: false; readonly reason: RefreshRejection }
  corrupt(handle: string): void
}

/** Creates a journal. */
export function createRefreshJournal(onEvent: ((event: RefreshEvent) => void) | undefined): RefreshJournal {
  return {
    tell(type, { handle, sub, sid }) {
      onEvent?.({ type, handle, sub, sid })
    },
    reject(reason, family) {
      const { handle, sub, sid } = family ?? {}
      onEvent?.({ type: 'rejected', reason, ...(handle !== undefined && { handle, sub: sub!, sid: sid! }) })
      return { ok: false, reason }
    },
    corrupt(handle) {
      onEvent?.({ type: 'corrupt', handle })
    },
  }
}
