/**
 * The seam between the verification of a token and the list of what was revoked.
 *
 * @module
 */

/** What a revocation is looked up by. */
export interface RevocableClaims {
  readonly sub: string
  /** Instant of issue, in seconds since the Unix epoch. */
  readonly iat: number
  readonly sid?: string | undefined
  readonly jti?: string | undefined
}

/**
 * What a list of revocations says of a token.
 *
 * `unknown` means that the list may lack what was revoked within its bound, so that nobody can tell.
 */
export type RevocationStatus = 'valid' | 'revoked' | 'unknown'

/** Tells whether a token was revoked. */
export interface RevocationCheck {
  /** Looks a token up in this process. It is asked for every token that is otherwise good, and never throws. */
  check(claims: RevocableClaims): RevocationStatus
  /**
   * The second of issue for something that is issued to this user in that second: never one that is revoked.
   *
   * @default the second it was asked about
   */
  issuedAt?(sub: string, seconds: number): number
  /** The clock that instants of revocation are by, in milliseconds since the Unix epoch; tokens are issued by it. */
  now?(): number
}
