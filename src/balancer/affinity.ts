/**
 * The affinity cookie: names the server that a visitor stays with, signed so that no client can choose its server.
 *
 * The value is `id.mac`, with an HMAC-SHA256 of the id. It holds no secret and no state, so several balancers with the
 * same secrets agree without talking to each other.
 *
 * @module
 */

import { createHmac, timingSafeEqual } from 'node:crypto'

/** Options of {@link createAffinity}. */
export interface AffinityOptions {
  /** Name of the cookie. */
  readonly name: string
  /** HMAC keys of at least 32 bytes, newest first: the first signs, all verify. */
  readonly secrets: readonly (string | Uint8Array)[]
  /** Whether the cookie is for https only. */
  readonly secure: boolean
}

/** What a `Cookie` header says about affinity. */
export interface AffinityClaim {
  /** The header without affinity cookies, otherwise byte for byte; `undefined` when nothing is left. */
  readonly rest: string | undefined
  /** Server that a valid cookie names; `undefined` without one. Forged and unknown values look the same. */
  readonly id: string | undefined
  /** Whether the cookie was signed with an older secret, so that it should be replaced. */
  readonly outdated: boolean
}

/** Reads and writes affinity cookies. */
export interface Affinity {
  /** Takes the affinity cookies out of a `Cookie` header. */
  read(header: string): AffinityClaim
  /** Returns the `Set-Cookie` value that binds a visitor to a server. It lives as long as the browser. */
  issue(id: string): string
}

/** Creates the reader and writer of affinity cookies. */
export function createAffinity(options: AffinityOptions): Affinity {
  const { name, secrets, secure } = options
  const prefix = `${name}=`
  const attributes = `; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
  // Servers are few and their signatures never change, so each is computed once. Only ids that were signed by
  // somebody who knows the secret get in here, or ids of our own: a client cannot make the map grow.
  const signatures = new Map<string, readonly Buffer[]>()

  function sign(id: string): readonly Buffer[] {
    return secrets.map((secret) => {
      const mac = createHmac('sha256', secret)
        .update(`coatcheck affinity\0${name}\0${id}`)
        .digest('base64url')
      return Buffer.from(mac, 'latin1')
    })
  }

  function verify(value: string): { readonly id: string; readonly outdated: boolean } | undefined {
    const match = VALUE.exec(value)
    if (!match) return undefined
    const id = match[1] ?? ''
    const mac = Buffer.from(match[2] ?? '', 'latin1')
    const expected = signatures.get(id) ?? sign(id)
    const index = expected.findIndex((signature) => timingSafeEqual(signature, mac))
    if (index === -1) return undefined
    signatures.set(id, expected)
    return { id, outdated: index > 0 }
  }

  return {
    read(header) {
      if (!header.includes(prefix)) return { rest: header, id: undefined, outdated: false }
      let valid: ReturnType<typeof verify>
      const kept: string[] = []
      for (const pair of header.split(';')) {
        const trimmed = pair.trimStart()
        if (!trimmed.startsWith(prefix)) kept.push(pair)
        // A neighbouring subdomain can plant a second cookie of this name, so the first valid one counts.
        else valid ??= verify(trimmed.slice(prefix.length).trimEnd())
      }
      const rest = kept.join(';').trimStart()
      return { rest: rest === '' ? undefined : rest, id: valid?.id, outdated: valid?.outdated ?? false }
    },
    issue(id) {
      let expected = signatures.get(id)
      if (!expected) signatures.set(id, (expected = sign(id)))
      return `${prefix}${id}.${expected[0]?.toString('latin1')}${attributes}`
    },
  }
}

const VALUE = /^([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/
