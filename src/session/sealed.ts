/**
 * Light sessions without a store: their data travels in the cookie, encrypted.
 *
 * @module
 */

import type { StoreClock } from './clock.ts'
import { createEventHub } from './events.ts'
import { createLifetime, type Lifetime } from './lifetime.ts'
import { createLoader } from './loader.ts'
import { createCookies, createManager, isDevelopment, type ManagerOptions } from './manager.ts'
import type { PrincipalRevocation } from './principal-sessions.ts'
import { createSealedEngine, type SealedRevocations } from './sealed/engine.ts'
import { createSealer, type Secret } from './sealed/seal.ts'
import type { SealedSnapshot } from './sealed/snapshot-text.ts'
import { replaceSession, Session } from './session.ts'
import type { RevocableSessions } from './sessions.ts'

/** Options of {@link createSealedSessions}. */
export interface SealedSessionsOptions extends ManagerOptions {
  /**
   * What `load` does for a user's session when the list of revocations may be stale: `fail` rejects with
   * {@link StoreUnavailableError}, `anonymous` goes on as for a stranger whose session cannot be changed.
   *
   * @default 'fail'
   */
  readonly outage?: 'fail' | 'anonymous'
}

const OPERATION = 'create a manager of sealed sessions'
/** Name and value of a cookie, beyond which browsers may drop it (RFC 6265bis §5.6). */
const COOKIE_LIMIT = 4_096

/**
 * Creates a manager of sessions that are sealed into their cookies (AES-256-GCM): any server that has the secret knows
 * them, and none has to be asked.
 *
 * It is for light data: name and value of the cookie may have 4,096 bytes, which is about 2,900 bytes of JSON. What
 * does not fit is refused when it is written, with {@link SessionTooLargeError}.
 *
 * What such sessions cannot promise: of two parallel requests that change a session the later answer wins, as each
 * browser has one cookie; a user's sessions cannot be listed; the servers' clocks have to agree. A session that was
 * ended is dead on every server within the bound of the revocations. When their list may be stale beyond it, sessions
 * of users reject with {@link StoreUnavailableError}; visitors go on.
 *
 * The revocations have to remember an ended session for as long as it could have lived: create them with a
 * `tokenLifetime` of at least the absolute timeout and the timeout of remembered logins.
 *
 * @param secrets At least 32 random bytes each. The first one seals, all of them open. To replace a secret, give every
 * server the new one as the last; when all have it, put it in front; take the old one out when the longest session that
 * it sealed is over.
 * @throws {TypeError | RangeError} when a secret or an option is wrong, or the revocations forget too early.
 */
export function createSealedSessions<Data extends object = Record<string, never>>(
  secrets: readonly Secret[],
  revocations: SealedRevocations,
  options: SealedSessionsOptions = {},
): RevocableSessions<Data> {
  const { now = Date.now, outage = 'fail' } = options
  const lifetime = createLifetime(OPERATION, options)
  expectMemory(revocations, lifetime)
  const events = createEventHub()
  const { format, cookies } = createCookies(OPERATION, options, now)
  const name = format.secureName
  const sealed = createSealedEngine({
    sealer: createSealer(OPERATION, secrets, `coatcheck session cookie ${format.plainName}`),
    revocations,
    lifetime,
    events,
    limit: COOKIE_LIMIT,
    nameLength: name.length,
    now,
  })
  const clock: StoreClock = { now, sync: () => undefined }
  const loader = createLoader<Data>(
    // What was used last is sealed again by the engine itself.
    { store: { name: 'sealed', touch: async () => true }, clock, lifetime },
    {
      values: sealed.values,
      host: {
        ...sealed,
        events,
        cookies,
        development: isDevelopment(options),
        enforceLimit: async () => undefined,
        expectRoom: (session, attributes) => sealed.expectRoom(session, attributes),
      },
      outage,
      regenerateInterval: Number.POSITIVE_INFINITY,
    },
  )

  function revocationOf(principal: string | undefined): PrincipalRevocation {
    return {
      async revoke(which) {
        if (principal === undefined) return 0
        if (typeof which === 'string') {
          if (!sealed.isOf(principal, which)) return 0
          await revocations.revokeSession(which, principal)
          events.emit('revoked', { handle: which, principal, by: 'user' })
          return 1
        }
        const kept = which?.except
        if (kept && !(kept instanceof Session)) {
          throw new TypeError(
            'Cannot keep one of several sealed sessions by its handle: give the session itself, whose cookie is sent again',
          )
        }
        await revocations.revokeUser(principal)
        if (kept?.principal === principal) {
          await replaceSession(kept, ({ snapshot }) => sealed.reissue(snapshot as SealedSnapshot))
        }
        events.emit('revokedAll', { principal, except: kept?.handle })
        return undefined
      },
    }
  }

  return {
    ...createManager<Data>(loader, cookies, events),
    async revoke(handle) {
      await revocations.revokeSession(handle)
      events.emit('revoked', { handle, principal: undefined, by: 'operator' })
      return true
    },
    of: revocationOf,
    sweep: async () => 0,
    close: () => undefined,
  }
}

/** A session that was ended and forgotten would let its holder in again. */
function expectMemory({ tokenLifetime }: SealedRevocations, { longest }: Lifetime): void {
  if (tokenLifetime >= longest) return
  throw new RangeError(
    `Cannot ${OPERATION} as the revocations must remember an ended session for ${longest} ms, the longest life of one: their tokenLifetime is ${tokenLifetime} ms`,
  )
}
