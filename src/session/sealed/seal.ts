/**
 * Session data as an encrypted cookie value: AES-256-GCM, bound to its purpose and to the cookie's name.
 *
 * A value is base64url of: one byte of format, two of key id, 12 of nonce, the ciphertext, 16 of tag.
 *
 * @module
 */

import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomFillSync } from 'node:crypto'

/** A secret of at least 32 random bytes, or the text of as many characters that encodes one. */
export type Secret = string | Uint8Array

/** Seals and opens cookie values. */
export interface Sealer {
  seal(text: string): string
  /** Length of the value that a text of so many bytes is sealed to. */
  sealedLength(bytes: number): number
  /** Opens what was sealed with any of the secrets for this purpose; `undefined` for everything else. */
  open(value: string): string | undefined
  /** Binds a random part to a user, by the newest secret. */
  bind(random: Buffer, principal: string): Buffer
  /** Whether a random part was bound to a user, by any of the secrets. */
  isBound(random: Buffer, principal: string, binding: Buffer): boolean
}

interface SealKey {
  readonly id: number
  readonly encryption: Buffer
  readonly binding: Buffer
}

const FORMAT = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 3 + NONCE_BYTES
const MIN_SECRET_LENGTH = 32
/** Bytes of a binding. Forging one takes 2^127 tries against the server. */
export const BINDING_BYTES = 16

/**
 * Creates a sealer.
 *
 * @param secrets The first one seals; all of them open, so that a secret is replaced by putting a new one in front.
 * @param purpose What the values are for: one that was sealed for something else does not open.
 * @throws {TypeError | RangeError} when there is no secret, or one is short or given twice.
 */
export function createSealer(operation: string, secrets: readonly Secret[], purpose: string): Sealer {
  const keys = secrets.map((secret) => deriveKey(operation, secret))
  const [newest] = keys
  if (!newest) throw new TypeError(`Cannot ${operation} as there is no secret: give at least one`)
  const byId = new Map(keys.map((key) => [key.id, key]))
  if (byId.size < keys.length) {
    throw new TypeError(`Cannot ${operation} as the same secret is given twice: each may be there once`)
  }
  const purposeBytes = Buffer.from(purpose)

  return {
    seal(text) {
      const head = Buffer.allocUnsafe(HEAD_BYTES)
      head.writeUInt8(FORMAT, 0)
      head.writeUInt16BE(newest.id, 1)
      randomFillSync(head, 3, NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', newest.encryption, head.subarray(3))
      cipher.setAAD(purposeBytes)
      return Buffer.concat([head, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
        'base64url',
      )
    },

    sealedLength: (bytes) => Math.ceil(((HEAD_BYTES + bytes + TAG_BYTES) * 4) / 3),

    open(value) {
      const bytes = Buffer.from(value, 'base64url')
      if (bytes.length < HEAD_BYTES + TAG_BYTES || bytes[0] !== FORMAT) return undefined
      // A value has one spelling: another one of the same bytes was not made here.
      if (bytes.toString('base64url') !== value) return undefined
      const key = byId.get(bytes.readUInt16BE(1))
      if (!key) return undefined
      const decipher = createDecipheriv('aes-256-gcm', key.encryption, bytes.subarray(3, HEAD_BYTES), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(purposeBytes)
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
      try {
        return (
          decipher.update(bytes.subarray(HEAD_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
        )
      } catch {
        return undefined
      }
    },

    bind: (random, principal) => bind(newest, random, principal),

    isBound: (random, principal, binding) => keys.some((key) => bind(key, random, principal).equals(binding)),
  }
}

/** It names sessions to those who may end them; who learns it by timing learns nothing that lets anybody in. */
function bind(key: SealKey, random: Buffer, principal: string): Buffer {
  return createHmac('sha256', key.binding)
    .update(random)
    .update(principal)
    .digest()
    .subarray(0, BINDING_BYTES)
}

function deriveKey(operation: string, secret: Secret): SealKey {
  const bytes = typeof secret === 'string' ? Buffer.from(secret) : Buffer.from(secret)
  if (bytes.length < MIN_SECRET_LENGTH) {
    throw new RangeError(
      `Cannot ${operation} as a secret must have at least ${MIN_SECRET_LENGTH} bytes: received ${bytes.length}. Make one with crypto.randomBytes(32)`,
    )
  }
  const derived = Buffer.from(hkdfSync('sha256', bytes, '', 'coatcheck sealed session', 66))
  return {
    id: derived.readUInt16BE(64),
    encryption: derived.subarray(0, 32),
    binding: derived.subarray(32, 64),
  }
}
