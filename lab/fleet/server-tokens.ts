/**
 * The tokens of the shop: on every strategy the same, in a file of their own that all servers share.
 *
 * A request with an access token is answered from this process alone. The file is asked when tokens are made and
 * refreshed, and read for what was revoked.
 *
 * @module
 */

import { hkdfSync, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSqliteStore, migrateSqliteStore } from 'coatcheck/stores/sqlite'
import {
  createKeyStore,
  createRefreshTokens,
  createRevocations,
  createSqliteRevocationLog,
  createTokens,
  migrateSqliteRevocations,
  type Revocations,
} from 'coatcheck/tokens'
import type { ShopTokens } from '../shop/shop-session.ts'

/** Tokens as one server has them. */
export interface ServerTokens {
  readonly tokens: ShopTokens
  readonly revocations: Revocations
  /** Secret that all servers share, for one purpose. */
  readonly secretFor: (purpose: string) => Uint8Array
  close(): Promise<void>
}

const FILE = 'tokens.db'
const SECRET_FILE = 'secret'
const SECRET_BYTES = 32
const KEY_TABLE = 'token_keys'
const REFRESH_TABLE = 'refresh_tokens'
const NAME = 'urn:coatcheck:shop'
/** Sealed sessions are ended by the same list, and may live this long. */
const LONGEST_SESSION = 30 * 24 * 60 * 60_000

/** Makes the file and the secret, in the parent, before any server opens them. */
export async function prepareTokens(folder: string): Promise<void> {
  // A process list shows arguments, and a file of its own shows nothing.
  await writeFile(join(folder, SECRET_FILE), randomBytes(SECRET_BYTES), { mode: 0o600 })
  const database = await openDatabase(folder)
  await migrateSqliteStore(database, { tableName: KEY_TABLE })
  await migrateSqliteStore(database, { tableName: REFRESH_TABLE })
  await migrateSqliteRevocations(database)
  database.close()
}

/** Opens the tokens of one server. Resolves when it knows all that was revoked. */
export async function openTokens(folder: string, now: () => number): Promise<ServerTokens> {
  const secret = await readFile(join(folder, SECRET_FILE))
  const secretFor = (purpose: string) =>
    new Uint8Array(hkdfSync('sha256', secret, '', `coatcheck lab ${purpose}`, SECRET_BYTES))
  const database = await openDatabase(folder)
  const revocations = createRevocations(createSqliteRevocationLog(database), {
    tokenLifetime: LONGEST_SESSION,
    now,
  })
  const keyStore = await createKeyStore(
    createSqliteStore(database, { tableName: KEY_TABLE, synchronous: 'normal' }),
    { secrets: [secretFor('keys')] },
  )
  const refresh = createRefreshTokens(
    createSqliteStore(database, { tableName: REFRESH_TABLE, synchronous: 'normal' }),
    { keys: [secretFor('refresh')], revocations },
  )
  const tokens = createTokens({
    issuer: NAME,
    audience: NAME,
    keys: keyStore.keys,
    revocations,
    refresh,
    now,
  })
  await revocations.ready

  return {
    tokens,
    revocations,
    secretFor,
    async close() {
      refresh.close()
      keyStore.close()
      await revocations.close()
      database.close()
    },
  }
}

async function openDatabase(folder: string) {
  const { default: Database } = await import('libsql')
  return new Database(join(folder, FILE))
}
