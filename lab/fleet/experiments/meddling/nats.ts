/**
 * What an outsider can do to the NATS servers of the fleet, with the usual tools of an operator.
 *
 * @module
 */

import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import type { Fleet } from '../../protocol.ts'
import { listEngines, type Meddler } from './meddler.ts'

const ENGINE = 'nats'
const TIMEOUT = 2_000
/** Longest wait for an answer that tells whether writes are taken, in milliseconds. */
const PATIENCE = 500
const STREAM = 'KV_coatcheck'
const PREFIX = '$KV.coatcheck.'
/** Header with what a watch without data needs to know of a session. */
const HEAD = 'Coatcheck'
/** Header of a removal. */
const REMOVAL = 'KV-Operation'

/** Meddles with the bucket, whichever server leads it. */
export function createNatsMeddler(fleet: Fleet): Meddler {
  const servers = () => listEngines(fleet, ENGINE)
  let damages = 0

  async function use<Result>(
    work: (manager: JetStreamManager, connection: NatsConnection) => Promise<Result>,
  ): Promise<Result> {
    const ready = servers().filter(({ status }) => status === 'ready')
    const connection = await connect({
      servers: ready.map(({ port }) => `127.0.0.1:${port}`),
      timeout: TIMEOUT,
      reconnect: false,
    })
    try {
      return await work(await jetstreamManager(connection, { timeout: TIMEOUT, checkAPI: false }), connection)
    } finally {
      await connection.close()
    }
  }

  async function findEntry(manager: JetStreamManager, key: string) {
    const entry = await manager.streams.getMessage(STREAM, { last_by_subj: PREFIX + key })
    return entry?.header.get(REMOVAL) === '' ? entry : undefined
  }

  return {
    async wipe() {
      await use((manager) => manager.streams.purge(STREAM))
    },
    async destroy() {
      await use((manager) => manager.streams.delete(STREAM))
    },
    async damage(handle, data) {
      return use(async (manager, connection) => {
        const entry = await findEntry(manager, `s.${handle}`)
        if (!entry) return false
        // In turn: data that nobody can read, and what `nats kv put` leaves behind, which knows nothing of a header.
        const head = headers()
        if (damages++ % 2 === 0) head.set(HEAD, entry.header.get(HEAD))
        await jetstream(connection, { timeout: TIMEOUT }).publish(`${PREFIX}s.${handle}`, data, {
          headers: head,
        })
        return true
      })
    },
    async isSetAside(handle) {
      return use(async (manager) => (await findEntry(manager, `x.${handle}`)) !== undefined)
    },
    async find(handles) {
      return use(async (manager) => {
        const there = new Map<string, string>()
        for (const handle of handles) {
          if (await findEntry(manager, `s.${handle}`)) there.set(handle, STREAM)
        }
        return there
      })
    },
    async primaries() {
      const leader = await use(async (manager) => (await manager.streams.info(STREAM)).cluster?.leader)
      return leader ? [leader] : []
    },
    keepers: () => servers().map(({ name }) => name),
    async countCommands() {
      return use(async (manager) => (await manager.streams.info(STREAM)).state.last_seq)
    },
    async takesWrites() {
      try {
        // Under a key that means nothing to anybody. It stays, as one more key of the bucket. Reading it back takes more than
        // the log's leader: questions wait until the cluster has one, too.
        return await use(async (manager, connection) => {
          await jetstream(connection, { timeout: PATIENCE }).publish(`${PREFIX}probe`, 'x')
          return (await findEntry(manager, 'probe')) !== undefined
        })
      } catch {
        return false
      }
    },
  }
}
