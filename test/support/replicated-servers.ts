/**
 * Stores on a real NATS cluster, each with a connection of its own, as servers have.
 *
 * @module
 */

import { connect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node'
import {
  createNatsLog,
  createReplicatedStore,
  natsConnectionOptions,
  type ReplicatedStore,
  type ReplicatedStoreOptions,
} from 'coatcheck/stores/replicated'

/** One server's store. */
export interface ReplicatedServer {
  readonly store: ReplicatedStore
  readonly connection: NatsConnection
  close(): Promise<void>
}

/** Starts a store and waits until it is ready. */
export async function startReplicatedServer(
  connectionOptions: ConnectionOptions,
  { bucket = 'coatcheck', ...options }: ReplicatedStoreOptions & { readonly bucket?: string } = {},
): Promise<ReplicatedServer> {
  const connection = await connect({ ...natsConnectionOptions, ...connectionOptions })
  const store = createReplicatedStore(createNatsLog(connection, { bucket }), options)
  const server = {
    store,
    connection,
    async close() {
      await store.close()
      await connection.close()
    },
  }
  await store.ready
  return server
}

/** Tells what an experiment has measured, as one line. */
export function report(result: Readonly<Record<string, unknown>>): void {
  console.info(JSON.stringify(result))
}
