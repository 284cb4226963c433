import { describe, expect, it, onTestFinished } from 'vitest'
import { missingCapability, storeContract, type StoreTrial } from '../conformance/store-contract.ts'
import { createMemoryLog, createReplicatedStore, type ReplicatedLog } from './replicated.ts'

/** Two servers on one log, whose clock the test moves. */
async function createTrial(): Promise<StoreTrial> {
  let time = Date.UTC(2030, 0, 1)
  let away = false
  const now = () => time
  const log = createMemoryLog({ now })
  const connect = (): ReplicatedLog =>
    log.connect({
      async call(ask) {
        if (away) throw new Error('unplugged')
        return ask()
      },
    })
  const stores = [connect(), connect()].map((link) =>
    createReplicatedStore(link, { now, monotonic: now, random: () => 0 }),
  )
  onTestFinished(async () => void (await Promise.all(stores.map((store) => store.close()))))
  const [store, peer] = stores as [(typeof stores)[0], (typeof stores)[0]]
  await Promise.all(stores.map(({ ready }) => ready))
  return {
    store,
    peer,
    now,
    jumps: true,
    elapse: async (milliseconds) => {
      time += milliseconds
    },
    corrupt: async (key) => log.put(`s.${key}`, { meta: '[99]', data: Buffer.from('?') }),
    unplug: async () => {
      away = true
    },
  }
}

describe('createReplicatedStore()', () => {
  it.for(storeContract)('$title', async (clause, { skip }) => {
    const trial = await createTrial()
    const missing = missingCapability(clause, trial)
    if (missing !== undefined) skip(`needs ${missing}`)
    await clause.verify(trial)
  })
  it('dummy', () => expect(1).toBe(1))
})
