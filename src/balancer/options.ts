/**
 * Checks what the caller asked for, once, so that nothing else has to.
 *
 * @module
 */

import type { BalancerOptions, UpstreamSpec } from './balancer.ts'
import { type RoutingName, routingNames } from './routing.ts'

/** Options with their defaults filled in. */
export type BalancerSettings = Required<Omit<BalancerOptions, 'affinityCookie'>> & {
  readonly affinityCookie: string
}

/**
 * Fills in the defaults and checks every value.
 *
 * @throws {TypeError} When a value is of the wrong kind.
 * @throws {RangeError} When a number is out of range.
 */
export function readOptions(options: BalancerOptions): BalancerSettings {
  const { allowInsecureCookie = false } = options
  const settings = {
    routing: 'round-robin',
    secrets: [],
    affinityCookie: allowInsecureCookie ? 'affinity' : '__Host-affinity',
    protocol: 'http',
    checkPath: '/healthz',
    checkInterval: 500,
    checkTimeout: 1_000,
    fall: 2,
    rise: 2,
    connectTimeout: 2_000,
    responseTimeout: 30_000,
    headersTimeout: 10_000,
    random: Math.random,
    now: Date.now,
    ...withoutUndefined(options),
    allowInsecureCookie,
  } satisfies BalancerSettings

  checkRouting(settings.routing, settings.secrets)
  settings.secrets.forEach(checkSecret)
  for (const name of DURATIONS) {
    const value = settings[name]
    // Node's timers overflow above 2^31 - 1 and would then fire at once.
    if (!Number.isFinite(value) || value < 1 || value > 2_147_483_647) {
      throw new RangeError(
        `Cannot create a balancer as ${name} must be from 1 to 2147483647 ms: received ${value}`,
      )
    }
  }
  for (const name of ['fall', 'rise'] as const) {
    const value = settings[name]
    if (!Number.isInteger(value) || value < 1) {
      throw new RangeError(
        `Cannot create a balancer as ${name} must be a whole number >= 1: received ${value}`,
      )
    }
  }
  const { affinityCookie, checkPath, protocol } = settings
  if (!TOKEN.test(affinityCookie)) fail('affinityCookie must be a cookie name', affinityCookie)
  if (allowInsecureCookie && /^__(?:Host|Secure)-/i.test(affinityCookie)) {
    fail(
      'affinityCookie must not start with __Host- or __Secure- when allowInsecureCookie is set',
      affinityCookie,
    )
  }
  if (!/^\/[\x21\x22\x24-\x7e]*$/.test(checkPath))
    fail('checkPath must be a path that starts with /', checkPath)
  if (protocol !== 'http' && protocol !== 'https') fail('protocol must be http or https', protocol)
  return settings
}

/**
 * Checks one server.
 *
 * @returns Its origin and capacity.
 */
export function readUpstream(spec: UpstreamSpec): { readonly url: string; readonly capacity: number } {
  const { id, url, capacity = 1_000 } = spec
  if (typeof id !== 'string' || !ID.test(id)) {
    fail('the id of an upstream must be 1 to 64 letters, digits, - or _', id)
  }
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new RangeError(
      `Cannot create a balancer as the capacity of upstream ${id} must be a whole number >= 1: received ${capacity}`,
    )
  }
  return { url: readUrl(id, url), capacity }
}

/** Checks the address of a server, and returns its origin. */
export function readUrl(id: string, url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const plain = parsed && parsed.pathname === '/' && !parsed.search && !parsed.hash && !parsed.username
  if (!plain || !/^https?:$/.test(parsed.protocol)) {
    fail(`the url of upstream ${id} must be http://host:port or https://host:port`, url)
  }
  return parsed?.origin ?? ''
}

/** Checks that a routing exists, and that the affinity cookie can be signed when it is sticky. */
export function checkRouting(routing: RoutingName, secrets: readonly (string | Uint8Array)[]): void {
  if (!routingNames.includes(routing)) fail(`routing must be one of ${routingNames.join(', ')}`, routing)
  if (routing === 'sticky' && secrets.length === 0) {
    throw new TypeError(
      'Cannot create a balancer as sticky routing needs secrets to sign the affinity cookie with',
    )
  }
}

function checkSecret(secret: string | Uint8Array): void {
  const bytes = typeof secret === 'string' ? Buffer.byteLength(secret) : secret.byteLength
  // The secret itself stays out of the message.
  if (!(bytes >= 32))
    throw new TypeError(`Cannot create a balancer as secrets must have >= 32 bytes: received ${bytes}`)
}

function withoutUndefined(options: BalancerOptions): BalancerOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function fail(rule: string, received: unknown): never {
  throw new TypeError(`Cannot create a balancer as ${rule}: received ${String(received)}`)
}

const DURATIONS = [
  'checkInterval',
  'checkTimeout',
  'connectTimeout',
  'responseTimeout',
  'headersTimeout',
] as const
const ID = /^[A-Za-z0-9_-]{1,64}$/
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
