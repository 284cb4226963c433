/**
 * The id that replaced another, readable by those who hold the old id and by nobody else.
 *
 * A browser whose answer got lost still sends its old id and must be told the new one. The store may not know it:
 * what is stored cannot be used to log in. So it is encrypted under the old id, of which the store knows the hash.
 *
 * @module
 */

import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { isSessionId } from './id.ts'

const PURPOSE = 'coatcheck session successor'
const TAG_BYTES = 16

/** Encrypts the id that replaced `id`. */
export function sealSuccessor(id: string, successor: string): string {
  const { key, nonce } = deriveKey(id)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return Buffer.concat([cipher.update(successor, 'ascii'), cipher.final(), cipher.getAuthTag()]).toString(
    'base64url',
  )
}

/** Opens what {@link sealSuccessor} made; `undefined` when it was not sealed for this id. */
export function openSuccessor(id: string, sealed: string): string | undefined {
  const { key, nonce } = deriveKey(id)
  const bytes = Buffer.from(sealed, 'base64url')
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
    const successor =
      decipher.update(bytes.subarray(0, -TAG_BYTES), undefined, 'ascii') + decipher.final('ascii')
    return isSessionId(successor) ? successor : undefined
  } catch {
    return undefined
  }
}

/** A key may encrypt one message with this nonce: an id is replaced once, as its record is then no session any more. */
function deriveKey(id: string): { key: Buffer; nonce: Buffer } {
  const bytes = Buffer.from(hkdfSync('sha256', id, '', PURPOSE, 44))
  return { key: bytes.subarray(0, 32), nonce: bytes.subarray(32) }
}
