/**
 * The shop's users: registering, checking passwords, finding by id.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { retryWhileLocked, type SqlDatabase, transact } from './database.ts'
import { createLoginLimiter, type LoginLimiterOptions } from './login-limiter.ts'
import { createPasswordHasher, type PasswordHasher } from './password-hasher.ts'
import { createWorkQueue } from './work-queue.ts'

/** A person with an account. */
export interface User {
  readonly id: string
  readonly username: string
}

/** What a person types to register or log in. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/** What became of a registration. */
export type RegisterResult =
  | { readonly outcome: 'registered'; readonly user: User }
  /** The user name belongs to somebody, upper and lower case being the same. */
  | { readonly outcome: 'taken' }

/** What became of a login. */
export type AuthenticateResult =
  | { readonly outcome: 'authenticated'; readonly user: User }
  /** Wrong user name or wrong password; nobody learns which. */
  | { readonly outcome: 'rejected' }
  /** Too many failures. `retryAfter`: milliseconds until the next try is allowed. */
  | { readonly outcome: 'limited'; readonly retryAfter: number }

/**
 * The users of the shop.
 *
 * Its methods reject with `UsersUnavailableError` when the database gives no answer.
 */
export interface Users {
  /** Adds a user. The credentials have passed `checkCredentials`. */
  register(credentials: Credentials): Promise<RegisterResult>

  /**
   * Checks a password; an unknown user name costs as much work as a known one.
   *
   * @param address Network address of the client, by which failures are limited.
   */
  authenticate(credentials: Credentials, address: string): Promise<AuthenticateResult>

  /** Finds a user; `undefined` when there is none of that id. */
  findById(id: string): Promise<User | undefined>
}

/** Options of {@link createUserDatabase}. */
export interface UserDatabaseOptions extends Omit<LoginLimiterOptions, 'now'> {
  /**
   * How passwords are hashed.
   *
   * @default argon2id, 19 MiB, two passes
   */
  readonly hasher?: PasswordHasher
  /**
   * Clock, in milliseconds since the Unix epoch.
   *
   * @default Date.now
   */
  readonly now?: () => number
}

/**
 * Hashes computed at once. Hashing uses the four threads that Node also reads files with: one stays free for those.
 * Three servers then check nine passwords at once, fewer than one user's limit of ten: right ones seldom wait.
 */
const HASHES_AT_ONCE = 3

interface UserRow extends User {
  readonly password_hash: string
}

/**
 * Creates the users on a SQLite database that `migrateUserDatabase` has prepared. Several processes may share the file.
 *
 * The database stays the caller's to close.
 */
export function createUserDatabase(database: SqlDatabase, options: UserDatabaseOptions = {}): Users {
  const { hasher = createPasswordHasher(), now = Date.now, ...limits } = options
  const limiter = createLoginLimiter(database, { ...limits, now })
  const hashing = createWorkQueue(HASHES_AT_ONCE)
  const selectByName = database.prepare(
    'SELECT id, username, password_hash FROM shop_users WHERE username_key = ?',
  )
  const selectById = database.prepare('SELECT id, username FROM shop_users WHERE id = ?')
  const insert = database.prepare(
    `INSERT INTO shop_users (id, username, username_key, password_hash, created_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (username_key) DO NOTHING RETURNING id`,
  )
  // Computed once, at the first need: the hash that unknown users are checked against.
  let dummyHash: Promise<string> | undefined

  return {
    async register({ username, password }) {
      const key = usernameKey(username)
      if (await findByName(key)) return { outcome: 'taken' }
      const passwordHash = await hashing(() => hasher.hash(password))
      const user = { id: randomUUID(), username: username.normalize('NFKC') }
      const added = await transact(database, () =>
        insert.get(user.id, user.username, key, passwordHash, now()),
      )
      return added ? { outcome: 'registered', user } : { outcome: 'taken' }
    },

    authenticate({ username, password }, address) {
      const key = usernameKey(username)
      return hashing(async () => {
        const permit = await limiter.begin(key, address)
        if (!permit.allowed) return { outcome: 'limited', retryAfter: permit.retryAfter }
        const user = await check(key, password).catch(async (error: unknown) => {
          await permit.try.abandon()
          throw error
        })
        if (!user) {
          await permit.try.fail()
          return { outcome: 'rejected' }
        }
        await permit.try.succeed()
        return { outcome: 'authenticated', user }
      })
    },

    async findById(id) {
      const row = await retryWhileLocked(() => selectById.get(id) as User | undefined)
      return row && { id: row.id, username: row.username }
    },
  }

  async function check(key: string, password: string): Promise<User | undefined> {
    const decoy = await hashDummy()
    const row = await findByName(key)
    const matches = await hasher.verify(row?.password_hash ?? decoy, password)
    return row && matches ? { id: row.id, username: row.username } : undefined
  }

  async function hashDummy(): Promise<string> {
    try {
      dummyHash ??= hasher.hash(randomUUID())
      return await dummyHash
    } catch (error) {
      dummyHash = undefined
      throw error
    }
  }

  function findByName(key: string): Promise<UserRow | undefined> {
    return retryWhileLocked(() => selectByName.get(key) as UserRow | undefined)
  }
}

/** Two user names are the same when they differ only in case or in how Unicode spells them. */
function usernameKey(username: string): string {
  return username.normalize('NFKC').toLowerCase()
}
