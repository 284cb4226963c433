/**
 * The tokens of the shop: on every strategy the same, in a file of their own that all servers share.
 *
 * A request with an access token is answered from this process alone. The file is asked when tokens are made and
 * refreshed, and read for what was revoked.
 *
 * @module
 */

import { hkdfSync, randomBytes } from 'node:crypto'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSqliteStore, migrateSqliteStore } from 'coatcheck/stores/sqlite'
import {
  createKeyStore,
  createRefreshTokens,
  createRevocations,
  createSqliteRevocationLog,
  createTokens,
  type KeyStore,
  type KeyStoreOptions,
  migrateSqliteRevocations,
  type Revocations,
} from 'coatcheck/tokens'
import type { ShopTokens } from '../shop/shop-session.ts'

/** Tokens as one server has them. */
export interface ServerTokens {
  readonly tokens: ShopTokens
  readonly revocations: Revocations
  /** Secrets that all servers share, for one purpose: the first makes something, all of them read it. */
  readonly secretsFor: (purpose: string) => readonly Uint8Array[]
  close(): Promise<void>
}

/** Its name in the folder of a run; experiments lock it and look into it. */
export const TOKENS_FILE = 'tokens.db'
const SECRET_FILE = 'secret'
const SECRET_BYTES = 32
const KEY_TABLE = 'token_keys'
/** Table of the families of refresh tokens. */
export const REFRESH_TABLE = 'refresh_tokens'
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
  const secretsFor = await readSecrets(folder)
  const database = await openDatabase(folder)
  const revocations = createRevocations(createSqliteRevocationLog(database), {
    tokenLifetime: LONGEST_SESSION,
    now,
  })
  const keyStore = await openKeyStore(database, secretsFor('keys'), { interval: '1s' })
  const refresh = createRefreshTokens(
    createSqliteStore(database, { tableName: REFRESH_TABLE, synchronous: 'normal' }),
    { keys: secretsFor('refresh'), revocations },
  )
  const tokens = createTokens({
    issuer: NAME,
    audience: NAME,
    keys: keyStore.keys,
    // Not by this server's own clock, which an experiment lets run ahead: by that of the revocations.
    revocations,
    refresh,
  })
  await revocations.ready

  return {
    tokens,
    revocations,
    secretsFor,
    async close() {
      refresh.close()
      keyStore.close()
      await revocations.close()
      database.close()
    },
  }
}

/** Opens the keys of a running fleet beside its servers, as one more server would. */
export async function openFleetKeys(
  folder: string,
  options?: Omit<KeyStoreOptions, 'secrets'>,
): Promise<KeyStore> {
  const secretsFor = await readSecrets(folder)
  const database = await openDatabase(folder)
  const keyStore = await openKeyStore(database, secretsFor('keys'), options)
  return {
    ...keyStore,
    close() {
      keyStore.close()
      database.close()
    },
  }
}

/** Puts a new secret behind those that servers read when they start: it is known everywhere before it is used. */
export async function addSecret(folder: string): Promise<void> {
  await appendFile(join(folder, SECRET_FILE), randomBytes(SECRET_BYTES))
}

/** Lets the secret that was added last be the one that servers use from their next start on. */
export async function promoteSecret(folder: string): Promise<void> {
  const file = join(folder, SECRET_FILE)
  const secrets = await readFile(file)
  await writeFile(file, Buffer.concat([secrets.subarray(-SECRET_BYTES), secrets.subarray(0, -SECRET_BYTES)]))
}

async function readSecrets(folder: string): Promise<ServerTokens['secretsFor']> {
  const bytes = await readFile(join(folder, SECRET_FILE))
  const secrets = Array.from({ length: bytes.length / SECRET_BYTES }, (_, index) =>
    bytes.subarray(index * SECRET_BYTES, (index + 1) * SECRET_BYTES),
  )
  return (purpose) =>
    secrets.map(
      (secret) => new Uint8Array(hkdfSync('sha256', secret, '', `coatcheck lab ${purpose}`, SECRET_BYTES)),
    )
}

function openKeyStore(
  database: Awaited<ReturnType<typeof openDatabase>>,
  secrets: readonly Uint8Array[],
  options: Omit<KeyStoreOptions, 'secrets'> = {},
): Promise<KeyStore> {
  const store = createSqliteStore(database, { tableName: KEY_TABLE, synchronous: 'normal' })
  return createKeyStore(store, { ...options, secrets })
}

async function openDatabase(folder: string) {
  const { default: Database } = await import('libsql')
  return new Database(join(folder, TOKENS_FILE))
}
