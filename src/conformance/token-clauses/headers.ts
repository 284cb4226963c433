/**
 * Headers that an attacker writes: names of keys, keys inside of tokens, extensions, types, and other spellings.
 *
 * @module
 */

import { generateKeyPairSync } from 'node:crypto'
import type { TokenClause, TokenTrial } from '../token-contract.ts'
import {
  claimsOf,
  encode,
  headerOf,
  type Members,
  refused,
  seal,
  segmentsOf,
  signWith,
  tokenWith,
  withHeader,
} from './forgery.ts'

const KIDS: readonly (readonly [string, (kid: string) => unknown])[] = [
  ['missing', () => undefined],
  ['null', () => null],
  ['empty', () => ''],
  ['a number', () => 0],
  ['a list', (kid) => [kid]],
  ['an object', (kid) => ({ kid })],
  ['a path', () => '../../../dev/null'],
  ['SQL', () => "' UNION SELECT 'secret' --"],
  ['a command', () => '|/usr/bin/true'],
  ['an address', () => 'https://evil.example/key'],
  ['__proto__', () => '__proto__'],
  ['constructor', () => 'constructor'],
  ['another key', () => 'unknown'],
  ['followed by a space', (kid) => `${kid} `],
  ['followed by NUL', (kid) => `${kid}\u0000`],
  ['in other letters', (kid) => (kid === kid.toUpperCase() ? kid.toLowerCase() : kid.toUpperCase())],
  ['of a megabyte', () => 'k'.repeat(1_000_000)],
]

const TYPES = [
  undefined,
  null,
  '',
  'JWT',
  'jwt',
  'AT+JWT',
  'at+JWT',
  'application/at+jwt',
  'at+jwt ',
  'rt+jwt',
  'logout+jwt',
  ['at+jwt'],
]

const EXTENSIONS: readonly Members[] = [
  { crit: ['exp'] },
  { crit: [] },
  { crit: 'exp' },
  { crit: ['alg'] },
  { b64: false },
  { b64: false, crit: ['b64'] },
  { b64: true, crit: ['b64'] },
  { zip: 'DEF' },
  { cty: 'JWT' },
  { enc: 'A256GCM' },
  { iss: 'https://evil.example' },
  { nonce: '1' },
]

/** The forms of a key of the attacker's that a header can carry. */
const EMBEDDED: readonly (readonly [string, (jwk: object) => Members])[] = [
  ['jwk', (jwk) => ({ jwk })],
  ['jku', () => ({ jku: 'https://evil.example/jwks.json' })],
  ['x5u', () => ({ x5u: 'https://evil.example/cert.pem' })],
  ['x5c', () => ({ x5c: ['MIIB'] })],
  ['x5t', () => ({ x5t: 'AAAA', 'x5t#S256': 'AAAA' })],
]

/** A token that the attacker signed, with the attacker's key in its header. */
function signByAttacker(trial: TokenTrial, embed: (jwk: object) => Members): string {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const header = { ...headerOf(trial), alg: 'ES256', ...embed(publicKey.export({ format: 'jwk' })) }
  const input = `${encode(header)}.${encode(claimsOf(trial))}`
  return `${input}.${encode(signWith('ES256', privateKey, input))}`
}

function rewrite(trial: TokenTrial, change: (header: string) => string | Buffer): string {
  return withHeader(trial, change(JSON.stringify(headerOf(trial))))
}

/** Rows about headers. */
export const headerClauses: readonly TokenClause[] = [
  ...KIDS.map(([title, kid]) =>
    refused(`a kid that is ${title}`, (trial) => tokenWith(trial, {}, { kid: kid(trial.kid) })),
  ),
  ...TYPES.map((typ) =>
    refused(`typ ${JSON.stringify(typ) ?? 'missing'}`, (trial) => tokenWith(trial, {}, { typ })),
  ),
  ...EXTENSIONS.map((members) =>
    refused(`a header with ${JSON.stringify(members)}`, (trial) => tokenWith(trial, {}, members)),
  ),
  ...EMBEDDED.flatMap(([name, embed]) => [
    refused(`the attacker's key as ${name}`, (trial) => signByAttacker(trial, embed)),
    refused(`a good signature beside ${name}`, (trial) => tokenWith(trial, {}, embed({ kty: 'EC' }))),
  ]),
  refused('alg twice, none first', (trial) =>
    rewrite(trial, (header) => header.replace('{', '{"alg":"none",')),
  ),
  refused('alg twice, none last', (trial) =>
    rewrite(trial, (header) => header.replace('}', ',"alg":"none"}')),
  ),
  refused('alg twice, the same', (trial) =>
    rewrite(trial, (header) => header.replace('{', `{"alg":"${trial.alg}",`)),
  ),
  refused('alg twice, once with an escape', (trial) =>
    rewrite(trial, (header) => header.replace('{', String.raw`{"\u0061lg":"none",`)),
  ),
  refused('kid twice', (trial) => rewrite(trial, (header) => header.replace('{', '{"kid":"x",'))),
  refused('typ twice', (trial) => rewrite(trial, (header) => header.replace('}', ',"typ":"JWT"}'))),
  refused('a header with __proto__', (trial) =>
    rewrite(trial, (header) => header.replace('{', '{"__proto__":{},')),
  ),
  refused('a header in another order', (trial) =>
    rewrite(trial, () => JSON.stringify({ kid: trial.kid, typ: 'at+jwt', alg: trial.alg })),
  ),
  refused('a header with a space', (trial) => rewrite(trial, (header) => header.replace('{', '{ '))),
  refused('a header with a line break', (trial) => rewrite(trial, (header) => `${header}\n`)),
  refused('a header with an escape', (trial) =>
    rewrite(trial, (header) => header.replace('alg', String.raw`\u0061lg`)),
  ),
  refused('a header with a byte order mark', (trial) => rewrite(trial, (header) => `\ufeff${header}`)),
  refused('a header that is not UTF-8', (trial) => rewrite(trial, () => Buffer.from([0x7b, 0xff, 0x7d]))),
  refused('a header in UTF-16', (trial) => rewrite(trial, (header) => Buffer.from(header, 'utf16le'))),
  refused('a header that is a list', (trial) => rewrite(trial, (header) => `[${header}]`)),
  refused('a header that is a text', (trial) => rewrite(trial, () => '"alg"')),
  refused('a header that is null', (trial) => rewrite(trial, () => 'null')),
  refused('a header that is not JSON', (trial) => rewrite(trial, () => 'alg')),
  refused('a header nested 5,000 deep', (trial) => rewrite(trial, () => '{"a":'.repeat(5_000))),
  refused('an empty header', (trial) => {
    const [, payload] = segmentsOf(trial)
    return seal(trial, '', payload)
  }),
]
