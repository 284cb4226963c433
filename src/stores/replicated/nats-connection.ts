/**
 * How the NATS client should behave under a session store.
 *
 * @module
 */

/**
 * Settings to connect to NATS with: `connect({ servers, ...natsConnectionOptions })`.
 *
 * The client's own would give up after ten attempts, wait two seconds between them and 20 for each, and notice a dead
 * connection after four to six minutes.
 */
export const natsConnectionOptions = {
  /** Never give up. */
  maxReconnectAttempts: -1,
  reconnectTimeWait: 200,
  reconnectJitter: 100,
  /** For one attempt to connect, in milliseconds. */
  timeout: 1_000,
  /** A connection on which two pings in a row were not answered is given up. */
  pingInterval: 1_000,
  maxPingOut: 2,
} as const
