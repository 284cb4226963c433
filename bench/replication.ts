/**
 * What does a write cost when every server keeps a full copy, and what does a read save?
 *
 * It supports the decision to keep full copies up to about eight servers, and to copy metadata only beyond. Messages
 * and bytes are those of all servers' connections to NATS, echoes included, for writes of a 1 KB session on one of
 * them; beside them what Tomcat's managers would send for the same by their own rules: DeltaManager N − 1 messages with
 * what changed, BackupManager one. Here a whole session counts as what changed. Reads are timed in one process beside
 * the memory store.
 *
 * Run with `npm run bench -- replication`. It needs nats-server.
 *
 * @module
 */

import { hash } from 'node:crypto'
import { cpus } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { createMemoryStore } from 'coatcheck/stores/memory'
import {
  createNatsLog,
  createReplicatedStore,
  natsConnectionOptions,
  type ReplicatedStore,
} from 'coatcheck/stores/replicated'
import { startNats } from 'coatcheck-lab/engines/nats'

const SERVERS = [2, 3, 4, 6, 8]
const WRITES = 1_000
const READS = 200_000
const SESSIONS = 10_000
const DATA = 'x'.repeat(1_024)

interface Server {
  readonly connection: NatsConnection
  readonly store: ReplicatedStore
}

const nats = await startNats()
try {
  console.log('What does a write cost when every server keeps a full copy, and what does a read save?')
  console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, 3 × nats-server, R3`)
  console.log(`${WRITES} writes of ${DATA.length} bytes on one server; messages and bytes on all connections`)
  const rows = []
  for (const copy of ['full', 'metadata'] as const)
    for (const count of SERVERS) rows.push(await measureWrites(count, copy))
  console.table(rows)
  console.table([await measureReads()])
} finally {
  await nats.close()
}

async function start(bucket: string, index: number, copy: 'full' | 'metadata'): Promise<Server> {
  const servers = nats.servers[index % nats.servers.length] ?? ''
  const connection = await connect({ ...natsConnectionOptions, servers })
  const store = createReplicatedStore(createNatsLog(connection, { bucket }), { copy })
  await store.ready
  return { connection, store }
}

async function stop(servers: readonly Server[]): Promise<void> {
  for (const { connection, store } of servers) {
    await store.close()
    await connection.close()
  }
}

/** Sums what all connections have carried. */
function count(servers: readonly Server[]) {
  const totals = { messages: 0, bytes: 0 }
  for (const { connection } of servers) {
    const { inMsgs, outMsgs, inBytes, outBytes } = connection.stats()
    totals.messages += inMsgs + outMsgs
    totals.bytes += inBytes + outBytes
  }
  return totals
}

async function measureWrites(size: number, copy: 'full' | 'metadata') {
  const servers: Server[] = []
  for (let index = 0; index < size; index++) servers.push(await start(`${copy}-${size}`, index, copy))
  const writer = (servers[0] as Server).store
  await pause(1_000)
  const before = count(servers)
  const began = performance.now()
  await fill(writer, WRITES)
  const took = performance.now() - began
  await pause(200)
  const after = count(servers)
  const { p50, p99 } = writer.stats().lag
  await stop(servers)
  return {
    servers: size,
    copy,
    'messages/write': round((after.messages - before.messages) / WRITES),
    'N + 2': size + 2,
    'KB/write': round((after.bytes - before.bytes) / WRITES / 1_024),
    'DeltaManager messages': size - 1,
    'DeltaManager KB': round(((size - 1) * DATA.length) / 1_024),
    'BackupManager messages': 1,
    'BackupManager KB': round(DATA.length / 1_024),
    'writes/s': Math.round((WRITES * 1_000) / took),
    'echo p50/p99 ms': `${round(p50)}/${round(p99)}`,
  }
}

async function measureReads() {
  const server = await start('reads', 0, 'full')
  const memory = createMemoryStore()
  const keys = await fill(server.store, SESSIONS)
  await fill(memory, SESSIONS)
  const { copies } = server.store
  await pause(500)
  const times: { peek: number[]; memory: number[] } = { peek: [], memory: [] }
  for (let turn = 0; turn < 7; turn++) {
    times.peek.push(
      await time(async () => {
        for (let index = 0; index < READS; index++) {
          if (index % 20_000 === 0) await pause(1)
          if (!copies.peek(keys[index % SESSIONS] ?? '', Date.now(), 0))
            throw new Error('A read missed the copy')
        }
      }),
    )
    times.memory.push(
      await time(async () => {
        for (let index = 0; index < READS; index++) {
          if (index % 20_000 === 0) await pause(1)
          void memory.read(keys[index % SESSIONS] ?? '')
        }
      }),
    )
  }
  const { copyBytes, sessions } = server.store.stats()
  await stop([server])
  return {
    'read from the copy µs': median(times.peek),
    'read from the memory store µs': median(times.memory),
    ratio: round(median(times.peek) / median(times.memory)),
    'bytes per session': Math.round(copyBytes / sessions),
  }
}

/** Creates sessions, 32 at a time. */
async function fill(store: Pick<ReplicatedStore, 'create'>, sessions: number): Promise<readonly string[]> {
  const keys = Array.from({ length: sessions }, (_, index) => hash('sha256', `key ${index}`, 'base64url'))
  const now = Date.now()
  const record = {
    data: DATA,
    principal: undefined,
    createdAt: now,
    lastSeenAt: now,
    expiresAt: now + 3_600_000,
  }
  for (let begin = 0; begin < sessions; begin += 32) {
    await Promise.all(keys.slice(begin, begin + 32).map((key) => store.create(key, record)))
  }
  return keys
}

async function time(work: () => Promise<void>): Promise<number> {
  const began = performance.now()
  await work()
  return ((performance.now() - began) * 1_000) / READS
}

function median(values: readonly number[]): number {
  return round(values.toSorted((a, b) => a - b)[values.length >>> 1] ?? Number.NaN)
}

function round(value: number): number {
  return Number(value.toFixed(2))
}
