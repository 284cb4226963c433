import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createMemoryLog, createReplicatedStore, type MemoryLog } from '../replicated.ts'

const KEY = 'k'.repeat(43)
const RECORD = {
  data: '{"cart":[]}',
  principal: 'ada',
  createdAt: 1,
  lastSeenAt: 1,
  expiresAt: Date.UTC(2031, 0, 1),
}

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2030, 0, 1) }))
afterEach(() => void vi.useRealTimers())

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** A server to which the log is so many milliseconds away, either way. */
async function createServer(log: MemoryLog, distance: number) {
  const link = log.connect({
    async call(ask) {
      await sleep(distance)
      const answer = ask()
      await sleep(distance)
      return answer
    },
  })
  const store = createReplicatedStore(link, { now: Date.now, monotonic: Date.now, random: () => 0 })
  onTestFinished(() => store.close())
  await vi.advanceTimersByTimeAsync(1_000)
  await store.ready
  return store
}

/** Writes as soon as the last write is acknowledged, until told that the session is gone. */
async function writeOn(store: Awaited<ReturnType<typeof createServer>>, version: number): Promise<number> {
  for (let next = version, writes = 0; ; writes++) {
    const result = await store.write(KEY, next, { ...RECORD, data: `${writes}` })
    if (result.outcome !== 'written') return writes
    next = result.version
  }
}

async function create(store: Awaited<ReturnType<typeof createServer>>): Promise<number> {
  const creating = store.create(KEY, RECORD)
  await vi.advanceTimersByTimeAsync(100)
  const result = await creating
  return result.outcome === 'written' ? result.version : 0
}

describe('createReplicatedStore() with a session that is written without pause', () => {
  it('deletes it from a server that is always a little late', async () => {
    const log = createMemoryLog()
    const near = await createServer(log, 1)
    const far = await createServer(log, 5)
    const version = await create(near)
    const writing = writeOn(near, version)
    await vi.advanceTimersByTimeAsync(50)

    const deleting = far.delete(KEY)
    await vi.advanceTimersByTimeAsync(200)

    await expect(Promise.race([deleting, Promise.resolve('still waiting')])).resolves.toMatchObject({
      key: KEY,
    })
    await vi.advanceTimersByTimeAsync(100)
    const writes = await writing
    expect((await deleting)?.data, 'it gets the last that was written').toBe(`${writes - 1}`)
    expect(log.entries().find(({ key }) => key === `s.${KEY}`)?.removed).toBe(true)
  })

  it('lets a writer go on soon when whoever wanted to delete it has died', async () => {
    const log = createMemoryLog()
    const store = await createServer(log, 1)
    const version = await create(store)
    log.put(`d.${KEY}`, { meta: 'a server that is no more', data: new Uint8Array(0) })
    await vi.advanceTimersByTimeAsync(10)

    const writing = store.write(KEY, version, RECORD)
    await vi.advanceTimersByTimeAsync(100)
    const early = await Promise.race([writing, Promise.resolve('standing back')])
    await vi.advanceTimersByTimeAsync(250)

    expect(early).toBe('standing back')
    await expect(Promise.race([writing, Promise.resolve('standing back')])).resolves.toMatchObject({
      outcome: 'written',
    })
  })
})
