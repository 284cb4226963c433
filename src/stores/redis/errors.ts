/**
 * What the errors of Redis and its clients mean.
 *
 * @module
 */

import { CorruptRecordError, StoreUnavailableError } from '../store.ts'

/** Beginnings and parts of messages, and what an operator does about them. */
const advice: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/^NOAUTH/, 'the server asks for a password; give the client username and password'],
  [/^WRONGPASS|invalid password|invalid username-password/i, 'the server refuses the password; check it'],
  [
    /^NOPERM/,
    'the user may not run a command; allow ~<prefix>* +@read +@write +@scripting +time +info +wait',
  ],
  [
    /^READONLY/,
    'the server is a replica; connect to the primary, by Sentinel or Cluster where these choose it',
  ],
  [/^(MOVED|CROSSSLOT)/, 'the server is a node of a cluster; use createCluster() or new Cluster()'],
  [
    /^ERR This instance has cluster support disabled/,
    'the server is no cluster; use createClient() or new Redis()',
  ],
  [/^CLUSTERDOWN/, 'the cluster does not serve this slot; check its nodes'],
  [/^(TRYAGAIN|ASK)/, 'the slot is being moved to another node; it can be used again in a moment'],
  [/^OOM/, 'its memory is full; raise maxmemory, or let fewer or shorter sessions be kept'],
  [/^MISCONF/, 'it cannot write to its disk and so accepts no writes; free some space on the disk'],
  [/^NOREPLICAS/, 'too few replicas are connected for min-replicas-to-write; bring replicas back'],
  [/^LOADING/, 'it is loading its data after a start; it can be used in a moment'],
  [/^MASTERDOWN/, 'it is a replica that has lost its primary; connect to the primary'],
  [/^BUSY/, 'a script of another application keeps it busy; end it with SCRIPT KILL'],
  [
    /^ERR unknown command|^ERR syntax error|^ERR value is not an integer/,
    'it is too old; use Redis 6.2 or newer, or Valkey',
  ],
  [/ENOTFOUND|EAI_AGAIN/, 'its host name is not known; check the URL'],
  [/ECONNREFUSED/, 'nothing listens at its address; check the URL and that the server runs'],
  [
    /max number of clients/i,
    'it has as many clients as maxclients allows; raise it or use fewer connections',
  ],
  [
    /client is closed|connection is closed|client is offline|lost its connection|writeable|socket closed/i,
    'the client is not connected; connect it first, and look at its error events',
  ],
]

/** What messages call the part that uses Redis, unless it is another one. */
export const SESSION_STORE = 'Redis session store'

/**
 * Wraps an error of a client. The message says what to do and holds neither keys nor data.
 *
 * @param user What uses Redis, for the message.
 */
export function toUnavailable(
  error: unknown,
  user: string = SESSION_STORE,
): StoreUnavailableError | CorruptRecordError {
  if (error instanceof StoreUnavailableError || error instanceof CorruptRecordError) return error
  return new StoreUnavailableError(`Cannot use the ${user}: ${explain(error)}`, { cause: error })
}

/** Says what to do about an error of a client. */
export function explain(error: unknown): string {
  const { message = '', code = '' } = (error ?? {}) as { readonly message?: string; readonly code?: string }
  const text = `${message} ${code}`
  return (
    advice.find(([pattern]) => pattern.test(text))?.[1] ?? 'the server gave no usable answer; see the cause'
  )
}
