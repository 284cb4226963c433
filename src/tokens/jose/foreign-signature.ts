/**
 * Checks the form and the signature of a token that somebody else issued.
 *
 * `jose` checks the signature. What it lets pass in the form is refused before: padding and stray bits in base64url,
 * members that come twice, extensions, and signatures of the wrong length.
 *
 * @module
 */

import type { compactVerify } from 'jose'
import type { TokenAlgorithm } from '../keys.ts'
import { decodeSegment, type JsonObject, parseStrictObject } from '../strict-json.ts'
import type { FindKey } from './foreign-keys.ts'

/** Why the form or the signature of a foreign token is refused. */
export type SignatureRejection =
  /** Not three segments of base64url, spelled the one way, with a header that is one plain object. */
  | 'malformed'
  | 'too-long'
  /** Another algorithm, another type, or an extension. */
  | 'bad-header'
  /** The issuer has no such key, or more than one that fits. */
  | 'unknown-key'
  | 'bad-signature'
  /** The issuer's keys could not be fetched. */
  | 'keys-unavailable'

/** What is checked with. */
export interface SignatureParts {
  readonly verify: typeof compactVerify
  readonly findKey: FindKey
  readonly algorithms: readonly TokenAlgorithm[]
  /** Types in lower case and without `application/`; `undefined` for any, or none. */
  readonly types: readonly string[] | undefined
  readonly maxLength: number
}

/** Resolves to the payload of a token that was signed well, or to the reason why it is refused. It never rejects. */
export type ForeignSignatureCheck = (token: unknown) => Promise<Buffer | SignatureRejection>

/** Members that change how the rest is read. None is ever needed. */
const EXTENSIONS = ['crit', 'b64', 'zip', 'enc'] as const

/** Creates the check. */
export function createForeignSignatureCheck(parts: SignatureParts): ForeignSignatureCheck {
  return async (token) => {
    if (typeof token !== 'string') return 'malformed'
    if (token.length > parts.maxLength) return 'too-long'
    const [first = '', payload = '', signature = '', ...rest] = token.split('.')
    if (rest.length > 0 || decodeSegment(payload) === undefined) return 'malformed'
    const header = readHeader(first)
    const length = signature === '' ? undefined : decodeSegment(signature)?.length
    if (!header || length === undefined) return 'malformed'
    const { alg, kid } = header
    if (!isAllowed(header, parts)) return 'bad-header'
    if (length !== (SIGNATURE_LENGTHS[alg as TokenAlgorithm] ?? length)) return 'bad-signature'
    return check(token, { alg: alg as TokenAlgorithm, kid: kid as string | undefined }, parts)
  }
}

function readHeader(segment: string): JsonObject | undefined {
  const bytes = decodeSegment(segment)
  return bytes && parseStrictObject(bytes)
}

/** Lengths in bytes; that of RS256 is that of its key. */
const SIGNATURE_LENGTHS: Readonly<Partial<Record<TokenAlgorithm, number>>> = {
  HS256: 32,
  ES256: 64,
  EdDSA: 64,
}

function isAllowed(header: JsonObject, { algorithms, types }: SignatureParts): boolean {
  const { alg, kid, typ } = header
  if (!algorithms.includes(alg as TokenAlgorithm)) return false
  if (kid !== undefined && typeof kid !== 'string') return false
  if (EXTENSIONS.some((name) => Object.hasOwn(header, name))) return false
  if (types === undefined) return typ === undefined || typeof typ === 'string'
  return typeof typ === 'string' && types.includes(typ.toLowerCase().replace(/^application\//, ''))
}

async function check(
  token: string,
  choice: Parameters<FindKey>[0],
  { verify, findKey }: SignatureParts,
): Promise<Buffer | SignatureRejection> {
  try {
    const key = await findKey(choice, token)
    if (!key) return 'unknown-key'
    const { payload } = await verify(token, key, { algorithms: [choice.alg] })
    return Buffer.from(payload)
  } catch (error) {
    return REJECTIONS[codeOf(error)] ?? 'keys-unavailable'
  }
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return ''
  if ('code' in error) return String(error.code)
  // A key that is unfit, such as RSA of 1,024 bits. A fetch that failed is a TypeError too, with a cause.
  return error instanceof RangeError || (error instanceof TypeError && !error.cause) ? 'ERR_KEY' : ''
}

const REJECTIONS: Readonly<Record<string, SignatureRejection>> = {
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'bad-signature',
  ERR_JWS_INVALID: 'malformed',
  ERR_JOSE_ALG_NOT_ALLOWED: 'bad-header',
  ERR_JOSE_NOT_SUPPORTED: 'unknown-key',
  ERR_JWKS_NO_MATCHING_KEY: 'unknown-key',
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: 'unknown-key',
  ERR_JWK_INVALID: 'unknown-key',
  ERR_KEY: 'unknown-key',
}
