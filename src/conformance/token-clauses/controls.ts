/**
 * Good tokens. A verifier that refuses everything passes every attack; these rows are why it does not pass.
 *
 * @module
 */

import type { TokenClause } from '../token-contract.ts'
import { accepted, claimsOf, tokenWith, withPayload } from './forgery.ts'

/** Rows that must be accepted. */
export const controlClauses: readonly TokenClause[] = [
  accepted('a good token', (trial) => tokenWith(trial)),
  accepted('a token with the required claims alone', (trial) =>
    tokenWith(trial, { jti: undefined, sid: undefined }),
  ),
  accepted('a token with every claim of RFC 9068', (trial) =>
    tokenWith(trial, {
      client_id: 'shop',
      scope: 'cart:read cart:write',
      nbf: trial.now / 1_000,
      auth_time: 1,
      acr: '1',
    }),
  ),
  accepted('our audience among others', (trial) =>
    tokenWith(trial, { aud: ['https://else.example', trial.audience] }),
  ),
  accepted('our audience alone in a list', (trial) => tokenWith(trial, { aud: [trial.audience] })),
  accepted('a token that was issued 5 s ahead', (trial) => tokenWith(trial, { iat: trial.now / 1_000 + 5 })),
  accepted('a token in its last second', (trial) => tokenWith(trial, { exp: trial.now / 1_000 + 1 })),
  accepted('a token that becomes valid now', (trial) => tokenWith(trial, { nbf: trial.now / 1_000 })),
  accepted('a scope without permissions', (trial) => tokenWith(trial, { scope: '' })),
  accepted('claims beyond ASCII', (trial) => tokenWith(trial, { sub: '사용자-1', note: 'naïve 🧥' })),
  accepted('claims beyond ASCII as escapes', (trial) =>
    withPayload(trial, JSON.stringify(claimsOf(trial)).replace('"u-1"', String.raw`"\uc0ac\ud83e\udde5"`)),
  ),
  accepted('quotes, backslashes and colons in a claim', (trial) =>
    tokenWith(trial, { note: String.raw`{"sub":"\\\":` }),
  ),
  accepted('claims within claims', (trial) =>
    tokenWith(trial, { act: { sub: 'u-2', list: [{ sub: 'u-3' }, []] } }),
  ),
  accepted('claims named like members of every object', (trial) =>
    tokenWith(trial, { constructor: 'x', toString: 1, hasOwnProperty: null, prototype: {} }),
  ),
  accepted('whitespace in the payload', (trial) =>
    withPayload(trial, JSON.stringify(claimsOf(trial), null, 2)),
  ),
  accepted('a time written with an exponent', (trial) =>
    withPayload(trial, JSON.stringify({ ...claimsOf(trial), nbf: 1 }).replace('"nbf":1', '"nbf":1.7e9')),
  ),
  accepted('a token of 4 KB', (trial) => tokenWith(trial, { groups: 'g'.repeat(3_000) })),
]
