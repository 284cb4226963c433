/**
 * Access and refresh tokens together, as a client gets them.
 *
 * @module
 */

import type { TokenClaims } from '../issue.ts'
import type { RefreshGrant, RefreshIndex, RefreshStart, RefreshTokens } from '../refresh.ts'
import type { RevocationCheck } from '../revocation-check.ts'
import type { RefreshRejection } from './events.ts'

/** What a client gets. */
export interface TokenPair {
  readonly accessToken: string
  readonly refreshToken: string
  /** How long the access token is accepted, in whole seconds (RFC 6749 §5.1). */
  readonly expiresIn: number
  /** First instant at which the refresh token is gone unless it is used, in milliseconds since the Unix epoch. */
  readonly refreshExpiresAt: number
}

/** What `createTokens` adds when it is given refresh tokens. */
export interface TokenPairs {
  /** Begins a login. */
  login(login: RefreshStart): Promise<TokenPair>
  /**
   * Takes a refresh token for a new pair.
   *
   * Leave the client's cookie alone when it is refused: see {@link RefreshResult}.
   */
  rotate(
    refreshToken: unknown,
  ): Promise<({ readonly ok: true } & TokenPair) | { readonly ok: false; readonly reason: RefreshRejection }>
  /** Ends the login of a refresh token, and resolves to whether this very call did. */
  logout(refreshToken: unknown): Promise<boolean>
  /**
   * Revokes what is tied to a session: its access tokens, and its refresh tokens where the user is told and the store can
   * find them. Others are refused when they are presented while a token of the session could still live.
   */
  revokeSession(sid: string, sub?: string): Promise<void>
  /** Revokes all tokens of a user: "log out everywhere", "password changed". A login after that is good. */
  revokeUser(sub: string): Promise<void>
}

interface PairParts {
  readonly issue: (claims: TokenClaims, options?: { readonly lifetime?: number }) => string
  readonly now: () => number
  readonly lifetime: number
  readonly revocations: RevocationCheck | undefined
}

/** Calls of a revocation list that not every check has. */
interface RevokingList extends RevocationCheck {
  revokeSession(sid: string): Promise<void>
  revokeUser(sub: string): Promise<void>
}

/**
 * Creates the methods.
 *
 * @throws {TypeError} when `revocations` can tell what is revoked, and not revoke.
 */
export function createTokenPairs(refresh: RefreshTokens, parts: PairParts): TokenPairs {
  const { issue, now, lifetime, revocations } = parts
  if (!canRevoke(revocations)) {
    throw new TypeError(
      'Cannot create tokens as refresh needs revocations: pass createRevocations(…) as revocations',
    )
  }

  function toPair({ refreshToken, claims, expiresAt, absoluteExpiresAt }: RefreshGrant): TokenPair {
    // No access token outlives its login by more than the second that is its unit.
    const rest = Math.max(1_000, Math.min(lifetime, absoluteExpiresAt - now()))
    const accessToken = issue({ ...claims }, { lifetime: rest })
    return { accessToken, refreshToken, expiresIn: Math.floor(rest / 1_000), refreshExpiresAt: expiresAt }
  }

  return {
    login: async (login) => toPair(await refresh.start(login)),
    async rotate(refreshToken) {
      const result = await refresh.rotate(refreshToken)
      return result.ok ? { ok: true, ...toPair(result) } : result
    },
    logout: (refreshToken) => refresh.revoke(refreshToken),
    async revokeSession(sid, sub) {
      // First nothing more is issued, and then what was issued is denied.
      if (sub !== undefined && hasIndex(refresh)) await refresh.revokeSession(sub, sid)
      await revocations.revokeSession(sid)
    },
    async revokeUser(sub) {
      if (hasIndex(refresh)) await refresh.revokeUser(sub)
      await revocations.revokeUser(sub)
    },
  }
}

function hasIndex(refresh: RefreshTokens): refresh is RefreshTokens & RefreshIndex {
  return 'revokeUser' in refresh
}

function canRevoke(revocations: RevocationCheck | undefined): revocations is RevokingList {
  return revocations !== undefined && 'revokeSession' in revocations && 'revokeUser' in revocations
}
