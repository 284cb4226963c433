/**
 * Other spellings of a good token, things that are no token, and too many or too few dots.
 *
 * @module
 */

import type { TokenClause, TokenTrial } from '../token-contract.ts'
import { encode, refused, seal, segmentsOf, signWith, tokenWith } from './forgery.ts'

type Change = (segment: string) => string
const SEGMENTS = ['header', 'payload', 'signature'] as const

/** Ways to write a segment that lenient decoders read as the same bytes, or nearly. */
const SPELLINGS: readonly (readonly [string, Change])[] = [
  ['=', (segment) => `${segment}=`],
  ['==', (segment) => `${segment}==`],
  ['a space before', (segment) => ` ${segment}`],
  ['a space after', (segment) => `${segment} `],
  ['a line break inside', (segment) => `${segment.slice(0, 4)}\n${segment.slice(4)}`],
  ['a tab inside', (segment) => `${segment.slice(0, 4)}\t${segment.slice(4)}`],
  ['NUL after', (segment) => `${segment}\u0000`],
  ['a letter more', (segment) => `${segment}A`],
  ['a character outside of the alphabet', (segment) => `${segment.slice(0, 4)}!${segment.slice(4)}`],
  ['a percent sign', (segment) => `%${segment.charCodeAt(0).toString(16)}${segment.slice(1)}`],
  ['a zero-width space', (segment) => `${segment}\u200b`],
  // Written as Latin-1, the character loses its upper byte and is the letter again.
  [
    'a letter with its upper byte set',
    (segment) => String.fromCharCode(segment.charCodeAt(0) + 0x100) + segment.slice(1),
  ],
  ['half a character', (segment) => `${segment}\ud800`],
]

/** Rows that are good tokens but for the spelling of one segment; the signature is of what is presented. */
const spellingClauses = SEGMENTS.flatMap((name, index) =>
  SPELLINGS.map(([title, change]) =>
    refused(`${title} in the ${name}`, (trial) => respell(trial, index, change)),
  ),
)

function respell(trial: TokenTrial, index: number, change: Change): string {
  const [header, payload, signature] = segmentsOf(trial)
  if (index === 2) return `${header}.${payload}.${change(signature)}`
  return index === 0 ? seal(trial, change(header), payload) : seal(trial, header, change(payload))
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Sets a bit at the end that no byte uses; `undefined` where every bit is used. */
function setStrayBit(segment: string): string | undefined {
  if (segment.length % 4 === 0) return undefined
  const last = ALPHABET.indexOf(segment.at(-1) as string)
  return segment.slice(0, -1) + (ALPHABET[last + 1] as string)
}

/** Lengthens the user's id until the payload ends in a letter with unused bits. */
function sealWithStrayBit(trial: TokenTrial): string {
  for (let sub = 'u-1'; ; sub += 'x') {
    const [header = '', payload = ''] = tokenWith(trial, { sub }).split('.')
    const changed = setStrayBit(payload)
    if (changed !== undefined) return seal(trial, header, changed)
  }
}

/** Searches a signature or payload for the two letters that differ from plain base64. */
function sealInPlainBase64(trial: TokenTrial): string {
  const [header = '', payload = ''] = tokenWith(trial, { note: '???>>>~~~' }).split('.')
  return seal(trial, header, payload.replaceAll('-', '+').replaceAll('_', '/'))
}

/** Rows about what a token is written in. */
export const encodingClauses: readonly TokenClause[] = [
  ...spellingClauses,
  refused('a stray bit at the end of the payload', sealWithStrayBit),
  refused('a stray bit at the end of the signature', (trial) => {
    const [header, payload, signature] = segmentsOf(trial)
    return `${header}.${payload}.${setStrayBit(signature)}`
  }),
  refused('plain base64 in the payload', sealInPlainBase64),
  refused('two segments', (trial) => segmentsOf(trial).slice(0, 2).join('.')),
  refused('one segment', (trial) => segmentsOf(trial)[0]),
  refused('a dot before', (trial) => `.${tokenWith(trial)}`),
  refused('a dot after', (trial) => `${tokenWith(trial)}.`),
  refused('two dots in a row', (trial) => tokenWith(trial).replace('.', '..')),
  refused('a fourth segment', (trial) => `${tokenWith(trial)}.AAAA`),
  refused('other dots', (trial) => tokenWith(trial).replaceAll('.', '\u3002')),
  refused('dots alone', () => '..'),
  refused('a million dots', () => '.'.repeat(1_000_000)),
  refused('nothing', () => ''),
  refused('the scheme before the token', (trial) => `Bearer ${tokenWith(trial)}`),
  refused('quotes around the token', (trial) => `"${tokenWith(trial)}"`),
  refused('two tokens', (trial) => `${tokenWith(trial)},${tokenWith(trial)}`),
  refused('a line break after the token', (trial) => `${tokenWith(trial)}\n`),
  refused('a byte order mark before the token', (trial) => `\ufeff${tokenWith(trial)}`),
  refused('the token in capitals', (trial) => tokenWith(trial).toUpperCase()),
  refused('ten million letters', () => 'a'.repeat(10_000_000)),
  refused('a good token of 20 KB', (trial) => tokenWith(trial, { groups: 'g'.repeat(15_000) })),
  refused('the JSON serialization', (trial) => {
    const [header, payload, signature] = segmentsOf(trial)
    return JSON.stringify({ protected: header, payload, signature })
  }),
  refused('an encrypted token', (trial) => {
    const header = encode({ alg: 'dir', enc: 'A256GCM', kid: trial.kid })
    return `${header}..${encode('0123456789ab')}.${encode('text')}.${encode('0123456789abcdef')}`
  }),
  refused('a token within a token', (trial) => {
    const [header] = segmentsOf(trial)
    return seal(trial, header, encode(tokenWith(trial)))
  }),
  refused('a payload that is not encoded (RFC 7797)', (trial) => {
    const header = encode({ alg: trial.alg, typ: 'at+jwt', kid: trial.kid, b64: false, crit: ['b64'] })
    return `${header}.{}.${encode(signWith(trial.alg, trial.key, `${header}.{}`))}`
  }),
  refused('a detached payload', (trial) => {
    const [header, , signature] = segmentsOf(trial)
    return `${header}..${signature}`
  }),
  refused('undefined', () => undefined),
  refused('null', () => null),
  refused('a number', () => 1),
  refused('a symbol', () => Symbol('token')),
  refused('a function', (trial) => () => tokenWith(trial)),
  refused('a list with a token', (trial) => [tokenWith(trial)]),
  refused('the bytes of a token', (trial) => Buffer.from(tokenWith(trial))),
  refused('a String object', (trial) => Object(tokenWith(trial)) as object),
  refused('an object that becomes a token', (trial) => ({ toString: () => tokenWith(trial), length: 10 })),
]
