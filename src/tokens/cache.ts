/**
 * Remembers which bytes a key has signed, so that the costly part of a verification is done once per token.
 *
 * It remembers nothing else: whether the key is still accepted, the token has expired or was revoked is asked each time.
 *
 * @module
 */

import { hash } from 'node:crypto'
import type { AccessClaims } from './claims.ts'
import type { ActiveKey } from './key-set/active-keys.ts'

/** A token whose signature was found good. */
export interface VerifiedToken {
  /** The key that signed it. */
  readonly key: ActiveKey
  /** Frozen in depth, so that every caller can have the same object. */
  readonly claims: AccessClaims
}

/** Tokens that were verified, the most recently used ones. */
export interface VerifiedTokens {
  find(name: string): VerifiedToken | undefined
  add(name: string, token: VerifiedToken): void
}

/**
 * The name under which a token is remembered: its SHA-256.
 *
 * Not its text: memory would then be full of tokens that work, and a map compares and keeps a megabyte of headers.
 */
export function nameToken(token: string): string {
  return hash('sha256', token, 'binary')
}

/**
 * Creates a cache that holds between half of its size and all of it: when the young half is full it becomes the old one,
 * and what nobody used since is forgotten in one step.
 */
export function createVerifiedTokens(size: number): VerifiedTokens {
  const half = Math.ceil(size / 2)
  let young = new Map<string, VerifiedToken>()
  let old = young

  function add(name: string, token: VerifiedToken): void {
    if (young.size >= half) {
      old = young
      young = new Map()
    }
    young.set(name, token)
  }

  function find(name: string): VerifiedToken | undefined {
    const recent = young.get(name)
    if (recent) return recent
    const token = old.get(name)
    if (token) add(name, token)
    return token
  }

  return { find, add }
}
