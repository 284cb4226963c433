/**
 * Keys that sign and verify tokens: their shapes, generation, and reading PEM.
 *
 * @module
 */

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'

/** Signature algorithms of tokens. `EdDSA` is Ed25519. */
export type TokenAlgorithm = 'HS256' | 'ES256' | 'EdDSA' | 'RS256'

/**
 * What a key of a {@link KeySet} is for.
 *
 * - `announced`: published, and accepted already, as another server may sign with it a moment before this one knows;
 * - `signing`: the one key that new tokens are signed with;
 * - `verify-only`: it has signed, and its tokens are still accepted;
 * - `retired`: refused, at once and whatever a cache says.
 */
export type KeyState = 'announced' | 'signing' | 'verify-only' | 'retired'

/** A JSON Web Key (RFC 7517) of one of the four algorithms. Members that are not listed are ignored. */
export interface TokenJwk {
  /** Name of the key: 1 to 128 printable ASCII characters, unique in its set. */
  readonly kid: string
  /** The one algorithm that the key is used with. */
  readonly alg: TokenAlgorithm
  readonly kty: 'oct' | 'EC' | 'OKP' | 'RSA'
  /** When given, `'sig'`. */
  readonly use?: string
  /** When given, it includes what the key is used for: `'sign'` or `'verify'`. */
  readonly key_ops?: readonly string[]
  readonly crv?: string
  readonly x?: string
  readonly y?: string
  readonly n?: string
  readonly e?: string
  /** Secret of HS256, in base64url. */
  readonly k?: string
  /** Private part of the other algorithms. */
  readonly d?: string
  readonly p?: string
  readonly q?: string
  readonly dp?: string
  readonly dq?: string
  readonly qi?: string
}

/** A key of `node:crypto` with its name. Of a pair give the private key to sign, the public key to verify only. */
export interface NamedKeyObject {
  /** Name of the key: 1 to 128 printable ASCII characters, unique in its set. */
  readonly kid: string
  /** The one algorithm that the key is used with. */
  readonly alg: TokenAlgorithm
  readonly key: KeyObject
}

/** A key as it is handed to {@link createTokens} and {@link createKeySet}. */
export type TokenKey = (TokenJwk | NamedKeyObject) & {
  /**
   * What the key is for.
   *
   * @default `'signing'` for the first private key or secret when no key says so, `'verify-only'` for the others
   */
  readonly state?: KeyState
}

/** A key as it is persisted. It is plain JSON, and **secret** while {@link StoredKey.jwk} holds a private part. */
export interface StoredKey {
  readonly kid: string
  readonly alg: TokenAlgorithm
  /** The private JWK until the key no longer signs; from then on the public one. An HS256 key stays a secret. */
  readonly jwk: TokenJwk
  readonly state: KeyState
  /** Instant at which the key came into this state, in milliseconds since the Unix epoch. */
  readonly since: number
}

/** Options of {@link generateKey}. */
export interface GenerateKeyOptions {
  /** Name of the key. @default 72 random bits */
  readonly kid?: string
  /** Bits of an RS256 key, 2,048 or more. @default 2_048 */
  readonly modulusLength?: number
}

/**
 * Generates a key, as a JWK with its private part.
 *
 * Prefer `'EdDSA'` or `'ES256'`; an RS256 key takes tens of milliseconds to make.
 *
 * @throws {RangeError} when `modulusLength` is below 2,048.
 * @example
 * ```ts
 * const tokens = createTokens({ issuer, audience, keys: [generateKey('ES256')] })
 * ```
 */
export function generateKey(alg: TokenAlgorithm, options: GenerateKeyOptions = {}): TokenJwk {
  const { kid = randomBytes(9).toString('base64url'), modulusLength = 2_048 } = options
  if (!(modulusLength >= 2_048)) {
    throw new RangeError(`Cannot generate a key as modulusLength must be >= 2048: received ${modulusLength}`)
  }
  return { ...generateJwk(alg, modulusLength), kid, alg }
}

function generateJwk(alg: TokenAlgorithm, modulusLength: number): Omit<TokenJwk, 'kid' | 'alg'> {
  switch (alg) {
    case 'HS256':
      return { kty: 'oct', k: randomBytes(32).toString('base64url') }
    case 'ES256':
      return toJwk(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    case 'EdDSA':
      return toJwk(generateKeyPairSync('ed25519').privateKey)
    case 'RS256':
      return toJwk(generateKeyPairSync('rsa', { modulusLength }).privateKey)
    default:
      throw new TypeError(
        `Cannot generate a key as its algorithm must be ${ALGORITHM_LIST}: received ${String(alg)}`,
      )
  }
}

const ALGORITHM_LIST = 'HS256, ES256, EdDSA or RS256'

/** Exports a key as a JWK without its name. */
export function toJwk(key: KeyObject): Omit<TokenJwk, 'kid' | 'alg'> {
  return key.export({ format: 'jwk' }) as Omit<TokenJwk, 'kid' | 'alg'>
}

/** What names a key that comes from PEM. */
export interface PemKeyOptions {
  readonly kid: string
  readonly alg: Exclude<TokenAlgorithm, 'HS256'>
  /** Passphrase of an encrypted private key. */
  readonly passphrase?: string
}

/**
 * Reads a private key (PKCS #8, PKCS #1, SEC 1) or a public key (SPKI, PKCS #1, or an X.509 certificate) from PEM.
 *
 * @throws {TypeError} when the text is no such key. Whether it fits its algorithm is checked when it is used.
 */
export function importPem(pem: string, { kid, alg, passphrase }: PemKeyOptions): NamedKeyObject {
  const isPrivate = /^-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/m.test(pem)
  try {
    const key = isPrivate
      ? createPrivateKey(passphrase === undefined ? pem : { key: pem, passphrase })
      : createPublicKey(pem)
    return { kid, alg, key }
  } catch (cause) {
    throw new TypeError(
      'Cannot import a key as its PEM cannot be read: give an unencrypted PKCS #8 private key, an SPKI public key, or its passphrase',
      { cause },
    )
  }
}
