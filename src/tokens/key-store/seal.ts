/**
 * Encrypts keys for a place where others may read, and notice when somebody wrote.
 *
 * @module
 */

import { createCipheriv, createDecipheriv, hash, hkdfSync, randomBytes } from 'node:crypto'

/** Encrypts and decrypts texts under one name. */
export interface Seal {
  /** Encrypts with the first secret. */
  seal(text: string): string
  /** Decrypts; `undefined` when none of the secrets made it, or it was changed. */
  open(sealed: string): { readonly text: string; readonly isNewest: boolean } | undefined
}

interface SealKey {
  readonly id: string
  readonly key: Buffer
}

const SHORTEST_SECRET = 32
const IV_BYTES = 12
const TAG_BYTES = 16
const SHAPE = /^1\.([\w-]{12})\.([\w-]+)$/

/**
 * Creates a seal: AES-256-GCM with a key that HKDF derives from the secret.
 *
 * @param purpose What is encrypted. It is authenticated, so nothing can be moved to another place.
 * @throws {TypeError} when there is no secret, or one is not bytes.
 * @throws {RangeError} when one is shorter than 32 bytes.
 */
export function createSeal(secrets: readonly Uint8Array[], purpose: string): Seal {
  const keys = secrets.map((secret) => deriveKey(secret, purpose))
  const [newest] = keys
  if (!newest) {
    throw new TypeError(
      'Cannot create a key store as secrets must hold at least one secret: whoever reads the store could sign otherwise',
    )
  }
  const additional = (id: string) => Buffer.from(`${purpose}\n${id}`)

  return {
    seal(text) {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv('aes-256-gcm', newest.key, iv).setAAD(additional(newest.id))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return `1.${newest.id}.${Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url')}`
    },
    open(sealed) {
      const [, id, box = ''] = SHAPE.exec(sealed) ?? []
      const found = keys.find((key) => key.id === id)
      if (!found) return undefined
      const bytes = Buffer.from(box, 'base64url')
      if (bytes.length < IV_BYTES + TAG_BYTES) return undefined
      const tag = bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES)
      const options = { authTagLength: TAG_BYTES }
      const decipher = createDecipheriv('aes-256-gcm', found.key, bytes.subarray(0, IV_BYTES), options)
      try {
        decipher.setAAD(additional(found.id)).setAuthTag(tag)
        const body = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()])
        return { text: body.toString('utf8'), isNewest: found === newest }
      } catch {
        return undefined
      }
    },
  }
}

function deriveKey(secret: Uint8Array, purpose: string): SealKey {
  if (!(secret instanceof Uint8Array)) {
    throw new TypeError(
      'Cannot create a key store as each of secrets must be a Uint8Array, for example a Buffer',
    )
  }
  if (secret.length < SHORTEST_SECRET) {
    throw new RangeError(
      `Cannot create a key store as each of secrets must have at least ${SHORTEST_SECRET} random bytes: received ${secret.length}`,
    )
  }
  const key = Buffer.from(hkdfSync('sha256', secret, '', purpose, 32))
  // Names the key and tells nothing of it: it is a hash of 256 random bits.
  return { key, id: hash('sha256', key, 'base64url').slice(0, 12) }
}
