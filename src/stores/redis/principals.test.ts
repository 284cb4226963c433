import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { describeWith } from '../../../test/support/engines.ts'
import { listKeys, useRedis } from '../../../test/support/redis-trial.ts'
import { createRedisStore } from '../redis.ts'
import { userNow } from '../../../test/support/records.ts'

describeWith(['redis-server'], 'createRedisStore() and the index of users', () => {
  const { createTrial } = useRedis()

  it('prolongs the record and the entry of its user only when a touch outlives them', async () => {
    const { store, send, prefix } = await createTrial()
    const record = userNow({ principal: mintUser() })
    await store.create('key', record)
    const look = async () => {
      const [index = ''] = (await send('', 'KEYS', `${prefix}p:*`)) as string[]
      return await Promise.all([
        send('', 'PEXPIRETIME', `${prefix}s:{key}`),
        send('', 'ZSCORE', index, 'key'),
        send('', 'PEXPIRETIME', index),
      ])
    }
    const before = await look()

    await store.touch('key', record.lastSeenAt + 20_000, record.expiresAt + 20_000)
    const soon = await look()
    await store.touch('key', record.lastSeenAt + 40_000, record.expiresAt + 40_000)
    const late = await look()

    expect(soon).toEqual(before)
    expect(late[0]).toBe(record.expiresAt + 40_000 - 1 + 30_000)
    expect(Number(late[1])).toBeGreaterThan(Number(before[1]))
    expect(late[2]).toBeGreaterThanOrEqual(record.expiresAt + 40_000 + 30_000 - 1)
    expect(await listKeys(store, record.principal)).toEqual(['key'])
  })

  it('takes those out of the index of a user that are no sessions of theirs, but for what is just being created', async () => {
    const { store, send, prefix } = await createTrial()
    const user = mintUser()
    await store.create('key', userNow({ principal: user }))
    const [index = ''] = (await send('', 'KEYS', `${prefix}p:*`)) as string[]
    const now = Math.floor(Date.now() / 1_000)
    const scoreOf = (enteredAt: number) => `${(now + 60) * 2 ** 20 + (enteredAt % 2 ** 20)}`
    await send('', 'ZADD', index, scoreOf(now - 60), 'stray', scoreOf(now), 'coming')
    await send('', 'ZADD', index, `${(now - 1) * 2 ** 20}`, 'expired')

    const listed = await listKeys(store, user)

    expect(listed).toEqual(['key'])
    expect(((await send('', 'ZRANGE', index, '0', '-1')) as string[]).sort()).toEqual(['coming', 'key'])
  })

  it.each([
    ['that is read as it is moved', 0],
    ['that is moved again when its new key is read', 1],
  ])('lists a session %s to another key', async (_what, moves) => {
    const { client, store, prefix } = await createTrial()
    const user = mintUser()
    const created = await store.create('key 0', userNow({ principal: user }))
    let version = created.outcome === 'written' ? created.version : 0
    let reads = 0
    const slow = new Proxy(client, {
      get(target, name) {
        if (name !== 'sendCommand') return Reflect.get(target, name, target) as unknown
        return async (args: string[]) => {
          if (args[0] === 'MGET' && reads <= moves) {
            const at = reads++
            const next = await store.create(`key ${at + 1}`, userNow({ principal: user }))
            await store.write(`key ${at}`, version, userNow({ principal: '' }))
            version = next.outcome === 'written' ? next.version : 0
          }
          return target.sendCommand(args)
        }
      },
    })

    const listed = await listKeys(createRedisStore(slow, { prefix }), user)

    expect(reads).toBe(moves + 1)
    expect(listed).toEqual([`key ${moves + 1}`])
  })

  it('lists a session that is created and moved on after its key was looked at', async () => {
    const { client, store, send, prefix } = await createTrial()
    const user = mintUser()
    const created = await store.create('old', userNow({ principal: user }))
    const [index = ''] = (await send('', 'KEYS', `${prefix}p:*`)) as string[]
    // As on a cluster: the index names the new key before its record is there.
    await send('', 'ZADD', index, `${(Math.floor(Date.now() / 1_000) + 60) * 2 ** 20}`, 'new')
    let reads = 0
    const slow = new Proxy(client, {
      get(target, name) {
        if (name !== 'sendCommand') return Reflect.get(target, name, target) as unknown
        return async (args: string[]) => {
          if (args[0] !== 'MGET' || reads++ > 0) return target.sendCommand(args)
          const answers = (await target.sendCommand(args)) as unknown[]
          await store.create('new', userNow({ principal: user }))
          const version = created.outcome === 'written' ? created.version : 0
          await store.write('old', version, userNow({ principal: '' }))
          const old = args.indexOf(`${prefix}s:{old}`) - 1
          const now = (await target.sendCommand(['MGET', ...args.slice(old + 1, old + 3)])) as unknown[]
          return answers.with(old, now[0]).with(old + 1, now[1])
        }
      },
    })

    const listed = await listKeys(createRedisStore(slow, { prefix }), user)

    expect(reads).toBeGreaterThan(1)
    expect(listed).toEqual(['new'])
  })
})

function mintUser(): string {
  return `ada-${randomBytes(8).toString('hex')}`
}
