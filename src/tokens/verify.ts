/**
 * Tells whether a token is one of ours, and what it says.
 *
 * We verify what we issued, so the first segment must be, to the byte, one that a key of ours writes. Looking it up
 * replaces reading a header that an attacker wrote: `none`, another algorithm, `kid` tricks, embedded keys, `crit` and `b64`
 * are never read, as there is nothing to find under them.
 *
 * @module
 */

import { createVerifiedTokens, nameToken, type VerifiedToken } from './cache.ts'
import {
  type AccessClaims,
  type ClaimRejection,
  type ExpectedClaims,
  findClaimFault,
  findTimeFault,
} from './claims.ts'
import type { ActiveKey } from './key-set/active-keys.ts'
import type { KeySet } from './key-set.ts'
import type { RevocationCheck } from './revocation-check.ts'
import { decodeSegment, parseStrictObject } from './strict-json.ts'

/** Why a token is refused. */
export type TokenRejection =
  /** Not three segments of base64url, spelled the one way. */
  | 'malformed'
  /** Longer than any token that is issued here. */
  | 'too-long'
  /** No key that is accepted writes this header: another algorithm or type, or a key unknown or retired. */
  | 'unknown-key'
  /** The key did not sign this. */
  | 'bad-signature'
  | ClaimRejection
  | 'revoked'
  /** The list of revocations cannot tell at this moment. */
  | 'revocation-unknown'

/** The answer to a token. */
export type Verification =
  | { readonly ok: true; readonly claims: AccessClaims }
  | { readonly ok: false; readonly reason: TokenRejection }

/** What a verifier works with. */
export interface VerifierParts extends ExpectedClaims {
  readonly keys: KeySet
  readonly now: () => number
  readonly maxLength: number
  /** Tokens to remember; 0 for none. */
  readonly cacheSize: number
  /** Whether HS256 is remembered too. */
  readonly cacheSecrets: boolean
  readonly revocations: RevocationCheck | undefined
}

/** Most bytes that UTF-8 needs for one UTF-16 code unit. */
const UTF8_MAX = 3

/** Creates the function that answers tokens. It throws on no input. */
export function createVerifier(parts: VerifierParts): (token: unknown) => Verification {
  const { keys, now, maxLength, revocations } = parts
  const cache = parts.cacheSize > 0 ? createVerifiedTokens(parts.cacheSize) : undefined
  // One buffer for all tokens: nothing here waits, so nobody else writes it meanwhile.
  const bytes = Buffer.alloc(maxLength * UTF8_MAX)

  function verify(token: unknown): Verification {
    if (typeof token !== 'string') return REJECTED.malformed
    if (token.length > maxLength) return REJECTED['too-long']
    const headerEnd = token.indexOf('.')
    const key = headerEnd > 0 ? keys.active().byHeader.get(token.slice(0, headerEnd)) : undefined
    if (!key) return REJECTED[isJws(token) ? 'unknown-key' : 'malformed']

    const name = cache && (parts.cacheSecrets || key.alg !== 'HS256') ? nameToken(token) : undefined
    const known = name === undefined ? undefined : cache?.find(name)
    if (known?.key === key) return judge(known.claims)

    const verified = authenticate(token, headerEnd, key)
    if (typeof verified === 'string') return REJECTED[verified]
    if (name !== undefined) cache?.add(name, verified)
    return judge(verified.claims)
  }

  /** Everything that stays true of a token as long as its key is accepted. */
  function authenticate(token: string, headerEnd: number, key: ActiveKey): VerifiedToken | TokenRejection {
    const inputEnd = token.indexOf('.', headerEnd + 1)
    // Written as Latin-1, U+0141 would become `A`. As UTF-8 anything but ASCII takes more bytes than characters.
    if (inputEnd === -1 || bytes.write(token, 'utf8') !== token.length) return 'malformed'
    if (!key.verify(bytes.subarray(0, inputEnd), token.slice(inputEnd + 1))) return 'bad-signature'
    const payload = decodeSegment(token.slice(headerEnd + 1, inputEnd))
    if (!payload) return 'malformed'
    const claims = parseStrictObject(payload)
    if (!claims) return 'bad-claims'
    return findClaimFault(claims, parts) ?? { key, claims: claims as AccessClaims }
  }

  /** Everything that changes by itself. */
  function judge(claims: AccessClaims): Verification {
    const fault = findTimeFault(claims, now())
    if (fault) return REJECTED[fault]
    const status = revocations ? revocations.check(claims) : 'valid'
    if (status === 'valid') return { ok: true, claims }
    return REJECTED[status === 'unknown' ? 'revocation-unknown' : 'revoked']
  }

  return verify
}

function isJws(token: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)
}

/** One answer per reason, made once: refusing is cheap. */
const REJECTED: Readonly<Record<TokenRejection, Verification>> = {
  malformed: reject('malformed'),
  'too-long': reject('too-long'),
  'unknown-key': reject('unknown-key'),
  'bad-signature': reject('bad-signature'),
  'bad-claims': reject('bad-claims'),
  'wrong-issuer': reject('wrong-issuer'),
  'wrong-audience': reject('wrong-audience'),
  expired: reject('expired'),
  'not-yet-valid': reject('not-yet-valid'),
  revoked: reject('revoked'),
  'revocation-unknown': reject('revocation-unknown'),
}

function reject(reason: TokenRejection): Verification {
  return Object.freeze({ ok: false, reason })
}
