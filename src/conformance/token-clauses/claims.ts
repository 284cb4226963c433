/**
 * Claims that are missing, of the wrong type, of others, or of another time.
 *
 * @module
 */

import type { TokenClause, TokenTrial } from '../token-contract.ts'
import { claimsOf, refused, tokenWith, withPayload } from './forgery.ts'

/** Values that no id and no time has. */
const WRONG: readonly unknown[] = [null, true, false, {}, [], '', [null]]

const REQUIRED = ['iss', 'aud', 'sub', 'exp', 'iat'] as const
const IDS = ['iss', 'sub', 'sid', 'jti', 'client_id'] as const
const TIMES = ['exp', 'iat', 'nbf'] as const

/** Puts JSON in the place of a claim that no JavaScript value is written as. */
function withLiteral(trial: TokenTrial, claim: string, literal: string): string {
  return withPayload(trial, JSON.stringify({ ...claimsOf(trial), [claim]: '@' }).replace('"@"', literal))
}

const requiredClauses = REQUIRED.map((claim) =>
  refused(`a token without ${claim}`, (trial) => tokenWith(trial, { [claim]: undefined })),
)

const idClauses = IDS.flatMap((claim) => [
  ...WRONG.map((value) =>
    refused(`${claim} ${JSON.stringify(value)}`, (trial) => tokenWith(trial, { [claim]: value })),
  ),
  refused(`${claim} that is a number`, (trial) => tokenWith(trial, { [claim]: 1 })),
  refused(`${claim} in a list`, (trial) => tokenWith(trial, { [claim]: [claimsOf(trial)[claim] ?? 'x'] })),
])

const timeClauses = TIMES.flatMap((claim) => [
  ...WRONG.map((value) =>
    refused(`${claim} ${JSON.stringify(value)}`, (trial) => tokenWith(trial, { [claim]: value })),
  ),
  refused(`${claim} that is text`, (trial) =>
    tokenWith(trial, { [claim]: JSON.stringify(claimsOf(trial)[claim] ?? 1) }),
  ),
  refused(`${claim} in a list`, (trial) => tokenWith(trial, { [claim]: [trial.now / 1_000] })),
  refused(`${claim} between two seconds`, (trial) => tokenWith(trial, { [claim]: trial.now / 1_000 + 0.5 })),
  refused(`${claim} that is infinite`, (trial) => withLiteral(trial, claim, '1e999')),
  refused(`${claim} that is infinite and negative`, (trial) => withLiteral(trial, claim, '-1e999')),
  refused(`${claim} that is NaN`, (trial) => withLiteral(trial, claim, 'NaN')),
  refused(`${claim} beyond whole numbers`, (trial) => withLiteral(trial, claim, '9007199254740993')),
])

/** Rows about claims. */
export const claimClauses: readonly TokenClause[] = [
  ...requiredClauses,
  ...idClauses,
  ...timeClauses,
  refused('another issuer', (trial) => tokenWith(trial, { iss: 'https://evil.example' })),
  refused('the issuer with a slash', (trial) => tokenWith(trial, { iss: `${trial.issuer}/` })),
  refused('the issuer in capitals', (trial) => tokenWith(trial, { iss: trial.issuer.toUpperCase() })),
  refused('the issuer and a space', (trial) => tokenWith(trial, { iss: `${trial.issuer} ` })),
  refused('the issuer and NUL', (trial) => tokenWith(trial, { iss: `${trial.issuer}\u0000` })),
  ...WRONG.map((value) =>
    refused(`aud ${JSON.stringify(value)}`, (trial) => tokenWith(trial, { aud: value })),
  ),
  refused('aud that is a number', (trial) => tokenWith(trial, { aud: 1 })),
  refused('another audience', (trial) => tokenWith(trial, { aud: 'https://else.example' })),
  refused('the audience and more', (trial) => tokenWith(trial, { aud: `${trial.audience}/admin` })),
  refused('the start of the audience', (trial) => tokenWith(trial, { aud: trial.audience.slice(0, -1) })),
  refused('a list of other audiences', (trial) => tokenWith(trial, { aud: ['https://else.example'] })),
  refused('the audience in a list in a list', (trial) => tokenWith(trial, { aud: [[trial.audience]] })),
  refused('the audience beside a number', (trial) => tokenWith(trial, { aud: [trial.audience, 1] })),
  refused('the audience as a member', (trial) => tokenWith(trial, { aud: { [trial.audience]: true } })),
  refused('a list of audiences as text', (trial) =>
    tokenWith(trial, { aud: `https://else.example ${trial.audience}` }),
  ),
  refused('a scope that is a list', (trial) => tokenWith(trial, { scope: ['admin'] })),
  refused('a scope that is null', (trial) => tokenWith(trial, { scope: null })),
  refused('a scope that is an object', (trial) => tokenWith(trial, { scope: { admin: true } })),
  refused('a token at the instant it expires', (trial) => tokenWith(trial, { exp: trial.now / 1_000 })),
  refused('a token that expired a second ago', (trial) => tokenWith(trial, { exp: trial.now / 1_000 - 1 })),
  refused('a token that expired in 1970', (trial) => tokenWith(trial, { exp: 0 })),
  refused('a token that expired before 1970', (trial) => tokenWith(trial, { exp: -1 })),
  refused('a token that was issued 6 s ahead', (trial) => tokenWith(trial, { iat: trial.now / 1_000 + 6 })),
  refused('a token whose issue is in milliseconds', (trial) => tokenWith(trial, { iat: trial.now })),
  refused('a token that becomes valid in a second', (trial) =>
    tokenWith(trial, { nbf: trial.now / 1_000 + 1 }),
  ),
]
