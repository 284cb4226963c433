/**
 * The keys of tokens where every server finds them: made once, rotated by one server at a time, picked up by the others.
 *
 * They lie encrypted in one record of any session store. Whoever can read the store but does not have the secret cannot
 * sign; whoever can write it cannot bring in a key of his own.
 *
 * @module
 */

import { type Duration, readDuration } from '../duration.ts'
import { type SessionStore, StoreUnavailableError } from '../stores/store.ts'
import { createKeySet, type KeySet, readSchedule, type RotationOptions } from './key-set.ts'
import { advanceKeys, announceKey, promoteKey } from './key-set/transitions.ts'
import { recordKeyOf, type StoredDocument, toDocument, toKeyRecord } from './key-store/document.ts'
import { createSeal } from './key-store/seal.ts'
import { generateKey, type StoredKey, type TokenAlgorithm } from './keys.ts'
import { createStoreCalls } from './refresh/store-calls.ts'

/** Options of {@link createKeyStore}. */
export interface KeyStoreOptions extends RotationOptions {
  /**
   * Secrets of at least 32 random bytes, from the configuration and never from the store: the first encrypts, all of
   * them decrypt. To rotate, put the new one in front on every server; the old one can go after the next start of all.
   */
  readonly secrets: readonly Uint8Array[]
  /** Algorithm of the keys. @default 'ES256' */
  readonly algorithm?: TokenAlgorithm
  /** Name of the set, where a store keeps several. @default 'tokens' */
  readonly name?: string
  /**
   * How often the store is looked at: within this time, every server that reaches it refuses a key that was retired.
   *
   * @default '2s'
   */
  readonly interval?: Duration
  /** Longest wait for one call to the store. @default '1s' */
  readonly timeout?: Duration
  /** Told of trouble in the background: the keys stay as they are, and it is tried again. It must not throw. */
  readonly onError?: (error: unknown) => void
  /** Clock for a store that has none of its own, in milliseconds since the Unix epoch. @default Date.now */
  readonly now?: () => number
}

/** Keys that all servers share. */
export interface KeyStore {
  /** For `createTokens`. Change it through the store only: what is changed here alone is lost. */
  readonly keys: KeySet
  /** Looks at the store now, and takes the steps of a rotation that are due. */
  sync(): Promise<void>
  /**
   * Refuses the tokens of a key that has leaked; a new one signs at once when it was the one that signs.
   *
   * When it resolves, this server refuses them, and the others do within `interval`. For as long, they may refuse tokens
   * of the new key.
   *
   * @throws {RangeError} when there is no such key.
   * @throws {StoreUnavailableError} when that may not be stored.
   */
  retire(kid: string): Promise<void>
  /** Ends looking. The store stays open. */
  close(): void
}

/** A loser of this many races in a row is told to come again. */
const MOST_ROUNDS = 20

/**
 * Opens the keys of a store, or makes the first one.
 *
 * @throws {TypeError} when the secrets are missing, or made none of what is stored.
 * @throws {RangeError} when a secret is too short, or a duration out of range.
 * @throws {StoreUnavailableError} when the store gives no answer.
 * @example
 * ```ts
 * const keyStore = await createKeyStore(store, { secrets: [Buffer.from(process.env.KEY_SECRET!, 'base64')] })
 * const tokens = createTokens({ issuer, audience, keys: keyStore.keys })
 * ```
 */
export async function createKeyStore(store: SessionStore, options: KeyStoreOptions): Promise<KeyStore> {
  const { name = 'tokens', algorithm = 'ES256', onError, now = Date.now } = options
  const interval = readDuration('create a key store', 'interval', options.interval ?? '2s')
  const timeout = readDuration('create a key store', 'timeout', options.timeout ?? '1s')
  const seal = createSeal(options.secrets, `coatcheck token keys\n${name}`)
  const calls = createStoreCalls(store, { what: 'the token keys', timeout, now })
  const recordKey = recordKeyOf(name)
  const schedule = readSchedule({ ...options, algorithm })
  let generation = 0
  let version: number | undefined
  let keys: KeySet | undefined

  /** Takes over what is stored. */
  function adopt(document: StoredDocument): void {
    generation = document.generation
    version = document.version
    if (keys) keys.replace(document.keys)
    else keys = createKeySet(document.keys, { ...schedule, now })
  }

  async function read(): Promise<StoredDocument | undefined> {
    const stored = await calls.read(recordKey)
    if (stored === undefined) return undefined
    const document = stored === 'corrupt' ? undefined : toDocument(stored, seal)
    if (document) return document
    throw new TypeError(
      `Cannot open the token keys in the ${store.name} store as none of secrets decrypts them: give the secret that they were made with`,
    )
  }

  /** Stores what a change makes of the newest keys, and resolves to whether no other server came first. */
  async function attempt(change: Change): Promise<boolean> {
    const [document, at] = await Promise.all([read(), calls.now()])
    // A store that lost its last writes gets them back: tokens of those keys are out already.
    const isLost = keys !== undefined && (document === undefined || document.generation < generation)
    const before = isLost ? keys!.export() : (document?.keys ?? [makeFirstKey(algorithm, at)])
    const after = change(before, at)
    if (document && !isLost && after === before && !isDue(document)) {
      if (document.version !== version) adopt(document)
      return true
    }
    const next = { generation: Math.max(generation, document?.generation ?? 0) + 1, keys: after }
    const record = toKeyRecord(next, seal, at)
    const result = document
      ? await calls.write(recordKey, document.version, record)
      : await calls.create(recordKey, record)
    if (result.outcome !== 'written') return false
    adopt({ ...next, version: result.version, isNewest: true })
    return true
  }

  /** What an old secret made is encrypted anew, once for each start: servers whose secrets differ do not fight. */
  function isDue({ isNewest }: StoredDocument): boolean {
    return keys === undefined && !isNewest
  }

  async function apply(change: Change): Promise<void> {
    for (let round = 0; round < MOST_ROUNDS; round++) if (await attempt(change)) return
    throw new StoreUnavailableError(
      'Cannot change the token keys as other servers kept coming first; try again',
    )
  }

  const advance: Change = (list, at) => advanceKeys(list, at, schedule)
  await apply(advance)

  let syncing: Promise<void> | undefined
  const sync = (): Promise<void> => (syncing ??= apply(advance).finally(() => (syncing = undefined)))
  const timer = setInterval(() => void sync().catch((error: unknown) => onError?.(error)), interval).unref()

  return {
    keys: keys!,
    sync,
    retire: (kid) => apply((list, at) => retireFrom(list, kid, algorithm, at)),
    close: () => clearInterval(timer),
  }
}

/** A step from one list of keys to the next; the very same list when there is nothing to do. */
type Change = (keys: readonly StoredKey[], now: number) => readonly StoredKey[]

function makeFirstKey(alg: TokenAlgorithm, since: number): StoredKey {
  const jwk = generateKey(alg)
  return { kid: jwk.kid, alg, jwk, state: 'signing', since }
}

/** Whatever the key was for: a leaked one is refused, and when it was the one that signs, another signs at once. */
function retireFrom(keys: readonly StoredKey[], kid: string, alg: TokenAlgorithm, now: number) {
  const found = keys.find((key) => key.kid === kid)
  if (!found) throw new RangeError('Cannot retire a key as there is none of that name')
  if (found.state === 'retired') return keys
  const successors = found.state === 'signing' ? promoteSuccessor(keys, alg, now) : keys
  return successors.map((key): StoredKey =>
    key.kid === kid ? { ...key, state: 'retired', since: now } : key,
  )
}

function promoteSuccessor(
  keys: readonly StoredKey[],
  alg: TokenAlgorithm,
  now: number,
): readonly StoredKey[] {
  const announced = keys.find(({ state }) => state === 'announced')
  if (announced) return promoteKey(keys, announced.kid, now)
  const key = generateKey(alg)
  return promoteKey(announceKey(keys, key, now), key.kid, now)
}
