/**
 * Options of the store, read and checked.
 *
 * @module
 */

import type { RedisWait } from './commands.ts'
import { SESSION_STORE } from './errors.ts'

/** Options of {@link createRedisStore}. */
export interface RedisStoreOptions {
  /**
   * What all keys of the store begin with. No braces, as these decide on which node of a cluster a key is.
   *
   * @default 'coatcheck:'
   */
  readonly prefix?: string
  /**
   * Acknowledges a write when so many replicas have it, so that it outlives the loss of the primary. Each write then
   * takes a round trip to a replica longer, and so do the commands behind it on the connection. A write that too few
   * replicas confirm in time is refused with a `StoreUnavailableError`; it may be there nevertheless.
   *
   * Touches do not wait.
   *
   * @default writes do not wait; deletions, which revoke, wait for one replica where any is connected
   */
  readonly wait?: RedisWait
  /**
   * Lets a deletion be acknowledged that no replica has yet. A failover may then bring a session back that was revoked.
   *
   * @default false
   */
  readonly allowUnreplicatedDeletes?: boolean
  /**
   * Time after which the server does not execute a write any more, in milliseconds: it may have waited in a queue while
   * the server was away. At least the deadline that the engine gives its store, at most 5,000.
   *
   * @default 2_000
   */
  readonly writeTimeout?: number
}

/** The same, with defaults. */
export interface RedisStoreSettings {
  readonly prefix: string
  readonly wait: Required<RedisWait> | undefined
  /** What deletions wait for where any replica is connected. */
  readonly deleteWait: Required<RedisWait> | undefined
  readonly writeTimeout: number
}

const DEFAULT_PREFIX = 'coatcheck:'
const DEFAULT_WAIT_TIMEOUT = 200

/**
 * Reads the options.
 *
 * @throws {TypeError | RangeError} when one is out of range.
 */
export function readSettings(options: RedisStoreOptions): RedisStoreSettings {
  const { wait, allowUnreplicatedDeletes = false, writeTimeout = 2_000 } = options
  if (!(writeTimeout > 0 && writeTimeout <= 5_000)) {
    throw new RangeError(
      `Cannot create a Redis session store as writeTimeout must be > 0 and <= 5000: received ${writeTimeout}`,
    )
  }
  return {
    prefix: readPrefix(options),
    wait: wait && readWait(wait),
    deleteWait: wait || allowUnreplicatedDeletes ? undefined : { replicas: 1, timeout: DEFAULT_WAIT_TIMEOUT },
    writeTimeout,
  }
}

/**
 * Reads the prefix.
 *
 * @param user What uses Redis, for the message.
 * @throws {RangeError} when it cannot be one.
 */
export function readPrefix(
  { prefix = DEFAULT_PREFIX }: Pick<RedisStoreOptions, 'prefix'>,
  user: string = SESSION_STORE,
): string {
  if (/^[^{}]{1,100}$/s.test(prefix)) return prefix
  throw new RangeError(
    `Cannot create a ${user} as prefix must be 1 to 100 characters without braces: received ${JSON.stringify(prefix)}`,
  )
}

/**
 * Reads for how many replicas to wait.
 *
 * @param user What uses Redis, for the message.
 * @throws {RangeError} when it cannot be so.
 */
export function readWait(
  { replicas, timeout = DEFAULT_WAIT_TIMEOUT }: RedisWait,
  user: string = SESSION_STORE,
): Required<RedisWait> {
  if (!(Number.isInteger(replicas) && replicas > 0)) {
    throw new RangeError(
      `Cannot create a ${user} as wait.replicas must be a whole number > 0: received ${replicas}`,
    )
  }
  // WAIT takes 0 for no limit, and then holds the connection until a replica comes back.
  if (!(Number.isInteger(timeout) && timeout > 0)) {
    throw new RangeError(
      `Cannot create a ${user} as wait.timeout must be a whole number > 0: received ${timeout}`,
    )
  }
  return { replicas, timeout }
}
