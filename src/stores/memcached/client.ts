/**
 * What a client is given: a list of servers, and options.
 *
 * @module
 */

import type { MemcachedAddress, MemcachedClientOptions } from '../memcached.ts'
import { createNode, type OpenNode } from './node.ts'

const DEFAULT_PORT = 11_211

/**
 * Connects to every server of a list.
 *
 * @throws {RangeError} when the list or an option is out of range.
 */
export function openNodes(
  servers: readonly (string | MemcachedAddress)[],
  options: MemcachedClientOptions,
): readonly OpenNode[] {
  const {
    commandTimeout = 300,
    connectTimeout = 500,
    maxReconnectDelay = 1_000,
    maxPending = 10_000,
    maxBuffered = 33_554_432,
    credentials,
    random = Math.random,
  } = options
  for (const [name, value] of Object.entries({
    commandTimeout,
    connectTimeout,
    maxReconnectDelay,
    maxPending,
    maxBuffered,
  })) {
    if (value >= 1 && value <= 0x7fffffff) continue
    throw new RangeError(`Cannot create a memcached client as ${name} must be >= 1: received ${value}`)
  }
  if (credentials && /[\s\0]/.test(credentials.username + credentials.password)) {
    throw new RangeError('Cannot create a memcached client as credentials must not have spaces')
  }
  const addresses = servers.map(readAddress)
  const names = new Set(addresses.map(({ host, port }) => `${host}:${port}`))
  if (addresses.length === 0 || names.size < addresses.length) {
    throw new RangeError('Cannot create a memcached client as it needs a list of servers, each of them once')
  }
  const settings = {
    commandTimeout,
    connectTimeout,
    maxReconnectDelay,
    maxPending,
    maxBuffered,
    credentials,
    random,
  }
  return addresses.map((address) => createNode(address, settings))
}

function readAddress(server: string | MemcachedAddress): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits] =
    typeof server === 'string' ? (/^(?:\[([^\]]+)\]|([^:\s]+))(?::(\d+))?$/.exec(server) ?? []) : []
  const host = typeof server === 'string' ? (bracketed ?? plain) : server.host
  const port = typeof server === 'string' ? Number(digits ?? DEFAULT_PORT) : (server.port ?? DEFAULT_PORT)
  if (host && Number.isInteger(port) && port >= 1 && port <= 65_535) return { host, port }
  throw new RangeError(
    'Cannot create a memcached client as each server must be "host", "host:port" or { host, port }',
  )
}
