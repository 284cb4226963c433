import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compactVerify, createLocalJWKSet, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { createTokens, type TokenAlgorithm, type TokenKey } from '../index.ts'
import { createForeignVerifier } from './foreign.ts'
import { findInList } from './foreign-keys.ts'
import { createForeignSignatureCheck } from './foreign-signature.ts'

/** Where the vectors of https://github.com/C2SP/wycheproof are: `testvectors_v1/json_web_*.json`. */
const FOLDER =
  process.env['COATCHECK_WYCHEPROOF'] ?? join(import.meta.dirname, '../../../../shared/wycheproof')
const FILES = ['json_web_signature', 'json_web_crypto', 'json_web_key']
const ALGORITHMS: readonly string[] = ['HS256', 'ES256', 'EdDSA', 'RS256'] satisfies TokenAlgorithm[]
const SETUP = { issuer: 'https://shop.example', audience: 'https://shop.example/api' }

interface Vector {
  readonly id: string
  readonly comment: string
  readonly token: unknown
  readonly isValid: boolean
  readonly keys: readonly TokenKey[]
}

interface Group {
  readonly public?: object
  readonly private?: object
  readonly tests: readonly { tcId: number; comment: string; jws?: unknown; result: string }[]
}

/** Vectors whose label is not what we do, by id, with the reason. */
const QUIRKS: Readonly<Record<string, string>> = {
  'json_web_signature/346': 'labelled valid: the key says PS256, the token PS384',
  'json_web_signature/347': 'labelled valid: the key says ES521, which is no algorithm',
  'json_web_signature/350': 'labelled valid: the key says PS256, the token PS384',
  'json_web_signature/351': 'labelled valid: the key says ES521, which is no algorithm',
  'json_web_signature/367':
    'labelled invalid for padding, but is to the byte the valid vector 357: it has none',
  'json_web_signature/370':
    'labelled invalid for padding, but is to the byte the valid vector 357: it has none',
  'json_web_signature/372': 'labelled valid: the header holds a question mark, which is not base64url',
  'json_web_signature/373': 'labelled valid: the payload holds a question mark, which is not base64url',
}

/** Invalid vectors that `jose` alone accepts, by id, with what refuses them here. */
const JOSE_LENIENCIES: Readonly<Record<string, string>> = {
  'json_web_crypto/46': 'a key with the mark of ROCA; keys are searched for it',
  'json_web_key/7': 'a key with the mark of ROCA; keys are searched for it',
  'json_web_key/9': 'an RSA key with the public exponent 1; keys need 65537',
  'json_web_key/10': 'an HS256 secret that is too short; secrets need 32 bytes',
  'json_web_key/11': 'an HS384 secret that is too short; HS384 is not supported',
  'json_web_key/12': 'an HS512 secret that is too short; HS512 is not supported',
  'json_web_signature/360': 'spaces in the signature; segments have one spelling',
  'json_web_signature/365': 'spaces in the header; segments have one spelling',
  'json_web_signature/368': 'spaces in the payload; segments have one spelling',
  'json_web_signature/375': 'stray bits in the payload; segments have one spelling',
}

function readVectors(): readonly Vector[] {
  return FILES.flatMap((file) => {
    const { testGroups } = JSON.parse(readFileSync(join(FOLDER, `${file}_test.json`), 'utf8')) as {
      testGroups: readonly Group[]
    }
    return testGroups.flatMap((group) =>
      group.tests
        .filter(({ jws }) => jws !== undefined)
        .map(({ tcId, comment, jws, result }) => ({
          id: `${file}/${tcId}`,
          comment,
          token: jws,
          isValid: result === 'valid',
          keys: toKeys(group.public ?? group.private ?? {}),
        })),
    )
  })
}

function toKeys(jwk: object): readonly TokenKey[] {
  return ('keys' in jwk ? jwk.keys : [jwk]) as readonly TokenKey[]
}

/** Checks the signature as a foreign verifier does; a key that cannot be used accepts nothing. */
async function isSigned({ token, keys }: Vector): Promise<boolean> {
  try {
    const findKey = findInList('test', keys)
    const algorithms = keys.map((key) => key.alg)
    const check = createForeignSignatureCheck({
      verify: compactVerify,
      findKey,
      algorithms,
      types: undefined,
      maxLength: 8_192,
    })
    return typeof (await check(token)) !== 'string'
  } catch {
    return false
  }
}

function isOurs({ token, keys }: Vector): boolean {
  try {
    return createTokens({ ...SETUP, keys }).verify(token).ok
  } catch {
    return false
  }
}

async function isAccepted({ token, keys }: Vector): Promise<boolean> {
  try {
    const verifier = await createForeignVerifier({ ...SETUP, keys, allowAnyType: true })
    return (await verifier.verify(token)).ok
  } catch {
    return false
  }
}

function algorithmOf(token: unknown): unknown {
  const [header = ''] = String(token).split('.')
  try {
    return (JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg?: unknown }).alg
  } catch {
    return undefined
  }
}

const missing = existsSync(FOLDER) ? '' : ' (skipped: set COATCHECK_WYCHEPROOF to the folder of the vectors)'

describe.skipIf(missing !== '')(`Wycheproof${missing}`, () => {
  const vectors = missing === '' ? readVectors() : []
  const isSupported = ({ token }: Vector) => ALGORITHMS.includes(String(algorithmOf(token)))

  it('has vectors of both labels', () => {
    expect(vectors.filter(({ isValid }) => isValid).length).toBeGreaterThan(50)
    expect(vectors.filter(({ isValid }) => !isValid).length).toBeGreaterThan(200)
  })

  it('has no invalid vector that we accept', async () => {
    const accepted: string[] = []

    for (const vector of vectors.filter(({ isValid }) => !isValid)) {
      const isWrong = isOurs(vector) || (await isAccepted(vector)) || (await isSigned(vector))
      if (isWrong && !(vector.id in QUIRKS)) accepted.push(`${vector.id} ${vector.comment}`)
    }

    expect(accepted).toEqual([])
  })

  it('has no valid vector of our algorithms whose signature a foreign verifier refuses', async () => {
    const refused: string[] = []

    for (const vector of vectors.filter((vector) => vector.isValid && isSupported(vector))) {
      if (!(await isSigned(vector)) && !(vector.id in QUIRKS)) refused.push(`${vector.id} ${vector.comment}`)
    }

    expect(refused).toEqual([])
  })

  it('knows every invalid vector that jose alone accepts', async () => {
    const accepted: string[] = []

    for (const vector of vectors.filter(({ isValid, id }) => !isValid && !(id in QUIRKS))) {
      if (await isAcceptedByJose(vector)) accepted.push(vector.id)
    }

    expect(accepted.toSorted()).toEqual(Object.keys(JOSE_LENIENCIES).toSorted())
  })

  it('knows each quirk by what we do with it', async () => {
    for (const vector of vectors.filter(({ id }) => id in QUIRKS)) {
      expect({ id: vector.id, isSigned: await isSigned(vector) }).toEqual({
        id: vector.id,
        isSigned: !vector.isValid,
      })
    }
    expect(vectors.filter(({ id }) => id in QUIRKS)).toHaveLength(8)
  })
})

/** As the documentation of `jose` has it: a local key set, and the algorithms of its keys. */
async function isAcceptedByJose({ token, keys }: Vector): Promise<boolean> {
  try {
    const keySet = createLocalJWKSet({ keys: keys as unknown as JWK[] })
    const secret =
      keys.length === 1 && 'k' in keys[0]! ? Buffer.from(String(keys[0].k), 'base64url') : undefined
    const algorithms = keys.map((key) => key.alg)
    await (secret
      ? compactVerify(String(token), secret, { algorithms })
      : compactVerify(String(token), keySet, { algorithms }))
    return true
  } catch {
    return false
  }
}
