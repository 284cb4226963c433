import { describe, expect, it } from 'vitest'
import { openUserDatabases } from '../testing/user-database.ts'
import { createPasswordHasher, type PasswordHasher } from './password-hasher.ts'
import { createUserDatabase, type UserDatabaseOptions } from './users.ts'

const ada = { username: 'ada', password: 'correct horse battery' }
const wrong = { username: 'ada', password: 'incorrect horse' }
const home = '192.0.2.1'

/** Quick to compute, and counts what it is asked. */
function createCountingHasher(): PasswordHasher & { verified: string[] } {
  const verified: string[] = []
  return {
    verified,
    hash: async (password) => `hash of ${password}`,
    async verify(hash, password) {
      verified.push(hash)
      await new Promise(setImmediate)
      return hash === `hash of ${password}`
    },
  }
}

async function createTrial(options: UserDatabaseOptions = {}) {
  const [first, second] = await openUserDatabases()
  let time = Date.UTC(2026, 0, 1)
  const hasher = createCountingHasher()
  const settings = { hasher, now: () => time, ...options }
  return {
    hasher,
    database: first,
    users: createUserDatabase(first, settings),
    elsewhere: createUserDatabase(second, settings),
    elapse: (milliseconds: number) => {
      time += milliseconds
    },
  }
}

describe('createUserDatabase()', () => {
  it('registers a user whom every server then knows', async () => {
    const { users, elsewhere } = await createTrial({ hasher: createPasswordHasher() })

    const registered = await users.register(ada)
    const authenticated = await elsewhere.authenticate(ada, home)

    expect(registered).toEqual({
      outcome: 'registered',
      user: { id: expect.any(String), username: 'ada' },
    })
    expect(authenticated).toEqual({ ...registered, outcome: 'authenticated' })
    if (registered.outcome !== 'registered') throw new Error('unreachable')
    expect(await elsewhere.findById(registered.user.id)).toEqual(registered.user)
    expect(await elsewhere.findById('nobody')).toBeUndefined()
  })

  it('keeps a password as argon2id with 19 MiB and two passes, never as text', async () => {
    const { users, database } = await createTrial({ hasher: createPasswordHasher() })

    await users.register(ada)

    const row = database.prepare('SELECT password_hash FROM shop_users').get() as { password_hash: string }
    expect(row.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  })

  it('takes a user name once, whatever its case or spelling in Unicode', async () => {
    const { users } = await createTrial()
    await users.register({ ...ada, username: 'Åsa' })

    const again = await users.register({ ...ada, username: 'a\u030aSA' })

    expect(again).toEqual({ outcome: 'taken' })
    expect(await users.authenticate({ ...ada, username: 'åsa' }, home)).toMatchObject({
      outcome: 'authenticated',
      user: { username: 'Åsa' },
    })
  })

  it('lets only one of several servers register a name', async () => {
    const { users, elsewhere } = await createTrial()

    const results = await Promise.all([users, elsewhere, users, elsewhere].map((each) => each.register(ada)))

    expect(results.filter(({ outcome }) => outcome === 'registered')).toHaveLength(1)
  })

  it('opens an account to a Korean password typed in either Unicode form', async () => {
    const { users } = await createTrial({ hasher: createPasswordHasher() })
    await users.register({ username: '민지', password: '비밀번호는 길게'.normalize('NFD') })

    const result = await users.authenticate(
      { username: '민지', password: '비밀번호는 길게'.normalize('NFC') },
      home,
    )

    expect(result.outcome).toBe('authenticated')
  })

  it('does the same work for an unknown user name as for a wrong password', async () => {
    const { users, hasher } = await createTrial()
    await users.register(ada)

    const known = await users.authenticate(wrong, home)
    const unknown = await users.authenticate({ ...wrong, username: 'nobody' }, home)

    expect(unknown).toEqual(known)
    expect(hasher.verified).toHaveLength(2)
    expect(hasher.verified[1]).not.toBe(hasher.verified[0])
  })

  it('refuses further tries of a user after too many failures, on every server, and says when to come back', async () => {
    const { users, elsewhere, elapse } = await createTrial({ userLimit: 3, interval: 60_000 })
    await users.register(ada)
    for (const each of [users, elsewhere, users]) {
      expect(await each.authenticate(wrong, home)).toEqual({ outcome: 'rejected' })
      elapse(1_000)
    }

    const refused = await elsewhere.authenticate(ada, '198.51.100.9')

    expect(refused).toEqual({ outcome: 'limited', retryAfter: 57_000 })
    elapse(56_999)
    expect(await users.authenticate(ada, home)).toEqual({ outcome: 'limited', retryAfter: 1 })
    elapse(1)
    expect(await users.authenticate(ada, home)).toMatchObject({ outcome: 'authenticated' })
  })

  it('limits an address that tries many user names, and nobody else', async () => {
    const { users } = await createTrial({ addressLimit: 3 })
    await users.register(ada)
    for (const username of ['eve', 'mallory', 'trudy']) await users.authenticate({ ...wrong, username }, home)

    const refused = await users.authenticate(ada, home)
    const welcome = await users.authenticate(ada, '198.51.100.9')

    expect(refused.outcome).toBe('limited')
    expect(welcome.outcome).toBe('authenticated')
  })

  it('counts failures only, and forgets them with a success', async () => {
    const { users } = await createTrial({ userLimit: 3 })
    await users.register(ada)

    const outcomes: string[] = []
    for (const credentials of [ada, ada, ada, ada, wrong, wrong, ada, wrong, wrong, ada]) {
      outcomes.push((await users.authenticate(credentials, home)).outcome)
    }

    expect(outcomes.filter((outcome) => outcome === 'rejected')).toHaveLength(4)
    expect(outcomes.filter((outcome) => outcome === 'authenticated')).toHaveLength(6)
  })

  it('checks no more guesses when they arrive in parallel on several servers', async () => {
    const { users, elsewhere, hasher } = await createTrial({ userLimit: 3 })
    await users.register(ada)

    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 ? users : elsewhere).authenticate(wrong, home)),
    )

    expect(hasher.verified).toHaveLength(3)
    expect(results.filter(({ outcome }) => outcome === 'limited')).toHaveLength(17)
  })

  it('turns away nobody when the right password arrives many times at once', async () => {
    const { users, elsewhere } = await createTrial({ userLimit: 3 })
    await users.register(ada)

    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 ? users : elsewhere).authenticate(ada, home)),
    )

    expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(['authenticated']))
  })

  it('counts a try as failed whose server died before it ended', async () => {
    let checking = (): void => undefined
    const begun = new Promise<void>((resolve) => (checking = resolve))
    const dying: PasswordHasher = {
      hash: async (password) => `hash of ${password}`,
      verify: () => {
        checking()
        return new Promise(() => {})
      },
    }
    const { users, elsewhere, elapse } = await createTrial({ hasher: dying, userLimit: 1 })
    void users.authenticate(wrong, home)
    await begun

    elapse(10_000)
    const result = await elsewhere.authenticate(wrong, home)

    expect(result).toEqual({ outcome: 'limited', retryAfter: 890_000 })
  })

  it('does not count a try that it could not check', async () => {
    const broken: PasswordHasher = {
      hash: async (password) => `hash of ${password}`,
      verify: () => Promise.reject(new Error('out of memory')),
    }
    const { users, database } = await createTrial({ hasher: broken, userLimit: 1 })

    const first = users.authenticate(wrong, home)

    await expect(first).rejects.toThrow('out of memory')
    expect(database.prepare('SELECT id FROM shop_login_tries').all()).toEqual([])
  })

  it('keeps a bounded number of tries, none of them readable', async () => {
    const { users, database } = await createTrial({ capacity: 5, addressLimit: 100 })
    for (let guess = 0; guess < 12; guess += 1) {
      await users.authenticate({ username: `my secret password ${guess}`, password: 'x' }, `192.0.2.${guess}`)
    }

    const rows = database.prepare('SELECT * FROM shop_login_tries').all()

    expect(rows).toHaveLength(5)
    expect(JSON.stringify(rows)).not.toContain('secret')
  })

  it('forgets failures whose time is over', async () => {
    const { users, database, elapse } = await createTrial({ interval: 60_000 })
    await users.authenticate(wrong, home)
    elapse(60_000)

    await users.authenticate({ ...wrong, username: 'nobody' }, home)

    expect(database.prepare('SELECT id FROM shop_login_tries').all()).toHaveLength(1)
  })
})
