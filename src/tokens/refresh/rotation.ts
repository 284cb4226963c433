/**
 * One refresh token in, the next one out.
 *
 * @module
 */

import { StoreUnavailableError } from '../../stores/store.ts'
import type { RefreshResult } from '../refresh.ts'
import { decide } from './decision.ts'
import type { FamilyEnding } from './ending.ts'
import type { RefreshJournal, RefreshRejection } from './events.ts'
import { claimsOf, expiryOf, handleOf, type StoredFamily, toFamily, toRecord } from './family.ts'
import type { RefreshSettings } from './options.ts'
import type { StoreCalls } from './store-calls.ts'
import { type ParsedRefreshToken, parseRefreshToken, type RefreshSigner } from './token.ts'

/** What {@link createRotation} works with. */
export interface RotationParts {
  readonly calls: StoreCalls
  readonly signer: RefreshSigner
  readonly ending: FamilyEnding
  readonly journal: RefreshJournal
}

/** Opens and rotates tokens. */
export interface Rotation {
  rotate(refreshToken: unknown): Promise<RefreshResult>
  /** Finds the family of a token and proves that the token belongs to it; no matter which generation. */
  open(token: ParsedRefreshToken): Promise<StoredFamily | RefreshRejection>
}

/** A loser of this many races in a row is told to come again. Each round another presenter has got on. */
const MOST_ROUNDS = 20

/** Creates the rotation. */
export function createRotation(parts: RotationParts, settings: RefreshSettings): Rotation {
  const { calls, signer, ending, journal } = parts
  const { grace, idleTimeout, revocations, authorize } = settings

  async function open(token: ParsedRefreshToken): Promise<StoredFamily | RefreshRejection> {
    const handle = handleOf(token.family)
    const stored = await calls.read(handle)
    if (stored === undefined) return 'unknown'
    const family = stored === 'corrupt' ? undefined : toFamily(stored)
    if (!family) {
      if (await calls.quarantine(handle)) journal.corrupt(handle)
      return 'unknown'
    }
    if (signer.verify(token, family.salt)) return family
    return signer.knows(family.signedBy) ? 'forged' : 'unknown-key'
  }

  async function attempt(token: ParsedRefreshToken): Promise<RefreshResult | 'again'> {
    const [family, at] = await Promise.all([open(token), calls.now()])
    if (typeof family === 'string') return journal.reject(family)
    switch (decide(family, token.generation, at, grace)) {
      case 'ahead':
        journal.tell('alarm', family)
        return journal.reject('ahead', family)
      case 'inactive':
        if (family.state === 'revoking') await ending.complete(family)
        return journal.reject('revoked', family)
      case 'expired':
        return journal.reject('expired', family)
      case 'reuse':
        if (await ending.end(family)) journal.tell('reuse', family)
        return journal.reject('reused', family)
      case 'repeat':
        return (await isAllowed(family)) ? succeed('repeated', token, family) : refuse(family)
      case 'step':
    }
    return (await isAllowed(family)) ? step(token, family, at) : refuse(family)
  }

  /** Whether the login is still good apart from its token. */
  async function isAllowed(family: StoredFamily): Promise<boolean> {
    const { sub, sid, issuedAt: iat } = family
    const status = revocations?.check({ sub, sid, iat }) ?? 'valid'
    if (status === 'unknown') {
      throw new StoreUnavailableError(
        'Cannot rotate a refresh token as the revocation list may be out of date; check its back end',
      )
    }
    return status === 'valid' && (authorize ? authorize(claimsOf(family)) : true)
  }

  async function refuse(family: StoredFamily): Promise<RefreshResult> {
    if (await ending.end(family)) journal.tell('revoked', family)
    return journal.reject('revoked', family)
  }

  async function step(token: ParsedRefreshToken, family: StoredFamily, at: number) {
    const next: StoredFamily = {
      ...family,
      generation: family.generation + 1,
      signedBy: signer.signsWith,
      rotatedAt: at,
      idleExpiresAt: at + idleTimeout,
    }
    const result = await calls.write(family.handle, family.version, toRecord(next, at))
    if (result.outcome === 'written') return succeed('rotated', token, next)
    return result.outcome === 'gone' ? journal.reject('unknown') : 'again'
  }

  function succeed(
    type: 'rotated' | 'repeated',
    token: ParsedRefreshToken,
    family: StoredFamily,
  ): RefreshResult {
    const refreshToken = signer.sign(token.family, family)
    if (refreshToken === undefined) return journal.reject('unknown-key', family)
    journal.tell(type, family)
    const { absoluteExpiresAt } = family
    return {
      ok: true,
      refreshToken,
      expiresAt: expiryOf(family),
      absoluteExpiresAt,
      claims: claimsOf(family),
    }
  }

  return {
    open,
    async rotate(refreshToken) {
      const token = parseRefreshToken(refreshToken)
      if (!token) return journal.reject('malformed')
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const result = await attempt(token)
        if (result !== 'again') return result
      }
      throw new StoreUnavailableError(
        'Cannot rotate a refresh token as other writers kept coming first; try again',
      )
    },
  }
}
