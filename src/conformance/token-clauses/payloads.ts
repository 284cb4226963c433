/**
 * Payloads that are signed well and are not one plain object of claims.
 *
 * @module
 */

import type { TokenClause, TokenTrial } from '../token-contract.ts'
import { claimsOf, refused, withPayload } from './forgery.ts'

function rewrite(trial: TokenTrial, change: (payload: string) => string | Buffer): string {
  return withPayload(trial, change(JSON.stringify(claimsOf(trial))))
}

/** Puts bytes in the place of the user's id. */
function withId(payload: string, bytes: readonly number[]): Buffer {
  const [before = '', after = ''] = payload.split('u-1')
  return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)])
}

/** Rows about payloads. */
export const payloadClauses: readonly TokenClause[] = [
  refused('an empty payload', (trial) => rewrite(trial, () => '')),
  refused('a payload that is null', (trial) => rewrite(trial, () => 'null')),
  refused('a payload that is a number', (trial) => rewrite(trial, () => '1')),
  refused('a payload that is a text', (trial) => rewrite(trial, (payload) => JSON.stringify(payload))),
  refused('a payload that is a list', (trial) => rewrite(trial, (payload) => `[${payload}]`)),
  refused('a payload that is not JSON', (trial) => rewrite(trial, () => 'sub=u-1')),
  refused('a payload with a comma too many', (trial) =>
    rewrite(trial, (payload) => payload.replace('}', ',}')),
  ),
  refused('a payload with a comment', (trial) => rewrite(trial, (payload) => `${payload}//`)),
  refused('a payload with text after it', (trial) => rewrite(trial, (payload) => `${payload}x`)),
  refused('a payload with NUL after it', (trial) => rewrite(trial, (payload) => `${payload}\u0000`)),
  refused('two payloads', (trial) => rewrite(trial, (payload) => payload + payload)),
  refused('half a payload', (trial) => rewrite(trial, (payload) => payload.slice(0, -10))),
  refused('a payload with single quotes', (trial) =>
    rewrite(trial, (payload) => payload.replaceAll('"', "'")),
  ),
  refused('a payload with a byte order mark', (trial) => rewrite(trial, (payload) => `\ufeff${payload}`)),
  refused('a payload in UTF-16', (trial) => rewrite(trial, (payload) => Buffer.from(payload, 'utf16le'))),
  refused('a byte that is no UTF-8', (trial) => rewrite(trial, (payload) => withId(payload, [0xff]))),
  refused('a character that is cut off', (trial) =>
    rewrite(trial, (payload) => withId(payload, [0xec, 0x82])),
  ),
  refused('a letter in two bytes', (trial) => rewrite(trial, (payload) => withId(payload, [0xc1, 0xb5]))),
  refused('half a character in bytes', (trial) =>
    rewrite(trial, (payload) => withId(payload, [0xed, 0xa0, 0x80])),
  ),
  refused('half a character as an escape', (trial) =>
    rewrite(trial, (payload) => payload.replace('u-1', String.raw`\ud800`)),
  ),
  refused('sub twice', (trial) => rewrite(trial, (payload) => payload.replace('{', '{"sub":"admin",'))),
  refused('sub twice, once with an escape', (trial) =>
    rewrite(trial, (payload) => payload.replace('{', String.raw`{"\u0073ub":"admin",`)),
  ),
  refused('exp twice', (trial) => rewrite(trial, (payload) => payload.replace('{', '{"exp":99999999999,'))),
  refused('a member twice within a claim', (trial) =>
    rewrite(trial, (payload) => payload.replace('{', '{"act":{"sub":"a","sub":"b"},')),
  ),
  refused('a claim named __proto__', (trial) =>
    rewrite(trial, (payload) => payload.replace('{', '{"__proto__":{"admin":true},')),
  ),
  refused('__proto__ within a claim', (trial) =>
    rewrite(trial, (payload) => payload.replace('{', '{"act":[{"__proto__":{"admin":true}}],')),
  ),
  refused('every claim inside of __proto__', (trial) =>
    rewrite(trial, (payload) => `{"__proto__":${payload}}`),
  ),
  refused('lists 1,000 deep', (trial) =>
    rewrite(trial, (payload) => payload.replace('{', `{"a":${'['.repeat(1_000)}${']'.repeat(1_000)},`)),
  ),
  refused('objects 500 deep', (trial) =>
    rewrite(trial, (payload) => payload.replace('{', `{"a":${'{"a":'.repeat(500)}1${'}'.repeat(500)},`)),
  ),
]
