import { jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'
import { expect, it, onTestFinished } from 'vitest'
import { describeWith } from '../../test/support/engines.ts'
import { type NatsOptions, startNats } from './nats.ts'
import { findProcess } from './process-table.ts'

async function createTrial(options: NatsOptions = {}) {
  const nats = await startNats(options)
  onTestFinished(() => nats.close())
  return {
    nats,
    /** A bucket that as many servers keep as there are. */
    async open(): Promise<KV> {
      const connection = await connect({
        servers: [...nats.servers],
        maxReconnectAttempts: -1,
        reconnectTimeWait: 50,
      })
      onTestFinished(() => connection.close())
      return await new Kvm(jetstream(connection)).create('bucket', { replicas: nats.engines.length })
    },
  }
}

describeWith(['nats-server'], 'startNats()', () => {
  it('starts a cluster that keeps what it acknowledged although one of its servers is killed', async () => {
    const { nats, open } = await createTrial()
    const bucket = await open()
    const revision = await bucket.create('a', '1')

    await nats.engines[0]?.kill()
    await expect
      .poll(async () => (await bucket.get('a').catch(() => undefined))?.string(), { timeout: 15_000 })
      .toBe('1')
    const { status } = nats.engines[0] ?? {}
    await nats.engines[0]?.start()

    expect(nats.engines.map(({ name }) => name)).toEqual(['nats-1', 'nats-2', 'nats-3'])
    expect(revision).toBe(1)
    expect(status).toBe('stopped')
    expect(nats.engines.map((engine) => engine.status)).toEqual(['ready', 'ready', 'ready'])
  })

  it('starts one server alone, which has everything after a kill', async () => {
    const { nats, open } = await createTrial({ nodes: 1 })
    const bucket = await open()
    await bucket.put('a', '1')
    const [engine] = nats.engines

    await engine?.kill()
    await engine?.start()
    const again = await open()

    expect((await again.get('a'))?.string()).toBe('1')
  })

  it('starts again server by server after all were killed, and leaves nothing behind when it is closed', async () => {
    const { nats } = await createTrial()
    await Promise.all(nats.engines.map((engine) => engine.kill()))

    for (const engine of nats.engines) await engine.start()
    const pids = nats.engines.map(({ pid = 0 }) => pid)
    await nats.engines[1]?.pause()
    await nats.close()

    expect(pids).not.toContain(0)
    expect(pids.filter(findProcess)).toEqual([])
  })
})
