/**
 * What clients may send: user names, passwords, cart items.
 *
 * @module
 */

import { RequestError } from './request-error.ts'
import type { Credentials } from './users/users.ts'

const ITEM_LENGTH_LIMIT = 200
const PASSWORD_LENGTH = { min: 8, max: 256 }
const USERNAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@+-]{1,63}$/u
/** Control characters and lone surrogates: never typed by a person, and SQLite cannot keep the latter. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u

/**
 * Reads the credentials of somebody who wants an account.
 *
 * @throws {RequestError} `ERR_INVALID_USERNAME` or `ERR_INVALID_PASSWORD`.
 */
export function readNewCredentials(body: unknown): Credentials {
  const credentials = readCredentials(body)
  if (!USERNAME.test(credentials.username.normalize('NFKC'))) throw new RequestError('ERR_INVALID_USERNAME')
  const length = Array.from(credentials.password).length
  if (length < PASSWORD_LENGTH.min || length > PASSWORD_LENGTH.max)
    throw new RequestError('ERR_INVALID_PASSWORD')
  return credentials
}

/**
 * Reads the credentials of somebody who says to have an account. Whether such a name could exist is not looked at.
 *
 * @throws {RequestError} `ERR_INVALID_USERNAME` or `ERR_INVALID_PASSWORD` when one is missing or no text.
 */
export function readCredentials(body: unknown): Credentials {
  const username = readField(body, 'username')
  const password = readField(body, 'password')
  if (typeof username !== 'string' || username === '') throw new RequestError('ERR_INVALID_USERNAME')
  if (typeof password !== 'string' || password === '') throw new RequestError('ERR_INVALID_PASSWORD')
  return { username, password }
}

/**
 * Reads the item that is to go into the cart.
 *
 * @throws {RequestError} `ERR_INVALID_ITEM`.
 */
export function readItem(body: unknown): string {
  const value = readField(body, 'item')
  const item = typeof value === 'string' ? value.trim() : ''
  if (item === '' || item.length > ITEM_LENGTH_LIMIT || UNPRINTABLE.test(item)) {
    throw new RequestError('ERR_INVALID_ITEM')
  }
  return item
}

/** Reads a box of a form that was ticked, or `true` in JSON. */
export function readFlag(body: unknown, name: string): boolean {
  const value = readField(body, name)
  return value === true || value === 'true' || value === 'on' || value === '1'
}

/** Reads one field of a body; `undefined` when the body is no object or has no such field of its own. */
export function readField(body: unknown, name: string): unknown {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return undefined
  return (body as Record<string, unknown>)[name]
}
