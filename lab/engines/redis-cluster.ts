/**
 * Starts a real Redis Cluster: three primaries with a third of the slots each, and a replica for each of them.
 *
 * @module
 */

import { createGroup, type EngineGroup, type EngineOptions } from './group.ts'
import { withFreePorts } from './ports.ts'
import { askRedis, prepareRedisServer, type RedisConfig } from './redis-server.ts'
import { waitUntil } from './wait-until.ts'

/** Options of {@link startRedisCluster}. */
export interface RedisClusterOptions extends EngineOptions {
  /**
   * How long a primary may be silent before its replica takes its place, in milliseconds.
   *
   * @default 1_500
   */
  readonly nodeTimeout?: number
  /**
   * More directives for every server.
   *
   * @default none
   */
  readonly config?: RedisConfig
}

/** A running Redis Cluster. */
export interface RedisCluster extends EngineGroup {
  /** Addresses of all servers. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
}

const PRIMARIES = 3
const SLOTS = 16_384
const GROUP_TIMEOUT = 20_000

/**
 * Starts it on free ports. Resolves when every server says that every slot is served and every replica follows. The engines
 * are called `redis-1`, `redis-2`, `redis-3` (the first primaries), `redis-4`, `redis-5`, `redis-6` (their replicas, in
 * that order).
 *
 * @throws When Redis is not installed, or does not start.
 */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { nodeTimeout = 1_500, config = {} } = options
  const password = String(config['requirepass'] ?? '')
  return await withFreePorts(2 * PRIMARIES, (ports) =>
    createGroup(options, async ({ folder, start }) => {
      let formed = false
      const specs = await Promise.all(
        ports.map((port, index) =>
          prepareRedisServer(folder, {
            name: `redis-${index + 1}`,
            port,
            config: {
              'cluster-enabled': 'yes',
              'cluster-config-file': 'nodes.conf',
              'cluster-node-timeout': nodeTimeout,
              'repl-ping-replica-period': 1,
              ...(password && { masterauth: password }),
              ...config,
            },
          }),
        ),
      )
      await Promise.all(
        specs.map((spec) =>
          start({
            ...spec,
            checkGroup: async () => {
              if (formed) await expectCoverage(spec.port, password)
            },
          }),
        ),
      )
      await form(ports, password)
      formed = true
      return { nodes: ports.map((port) => ({ host: '127.0.0.1', port })) }
    }),
  )
}

/** Makes one cluster of servers that know nothing of each other. */
async function form(ports: readonly number[], password: string): Promise<void> {
  const ask = (port: number, ...commands: string[]) => askRedis(port, commands, password)
  const primaries = ports.slice(0, PRIMARIES)
  const replicas = ports.slice(PRIMARIES)

  await Promise.all(
    primaries.map((port, index) => {
      const first = Math.ceil((SLOTS / PRIMARIES) * index)
      const last = Math.ceil((SLOTS / PRIMARIES) * (index + 1)) - 1
      // With epochs of their own, the servers need not find out first who gives way.
      return ask(port, `CLUSTER ADDSLOTSRANGE ${first} ${last}`, `CLUSTER SET-CONFIG-EPOCH ${index + 1}`)
    }),
  )
  await Promise.all(
    ports.map((port) =>
      ask(port, ...ports.filter((other) => other !== port).map((other) => `CLUSTER MEET 127.0.0.1 ${other}`)),
    ),
  )
  await waitUntil(() => expectAll(ports, (port) => expectKnown(port, ports.length, password)), GROUP_TIMEOUT)
  await Promise.all(
    replicas.map(async (port, index) => {
      const answer = await ask(primaries[index] ?? 0, 'CLUSTER MYID')
      const id = /^[0-9a-f]{40}/m.exec(answer)?.[0] ?? ''
      await ask(port, `CLUSTER REPLICATE ${id}`)
    }),
  )
  await waitUntil(() => expectAll(ports, (port) => expectRoles(port, ports.length, password)), GROUP_TIMEOUT)
}

async function expectAll(
  ports: readonly number[],
  expectOne: (port: number) => Promise<void>,
): Promise<void> {
  await Promise.all(ports.map(expectOne))
}

/** Rejects as long as a server has not shaken hands with all others. */
async function expectKnown(port: number, size: number, password: string): Promise<void> {
  const nodes = await readNodes(port, password)
  if (nodes.length !== size || nodes.some((node) => /handshake|noaddr/.test(node))) {
    throw new Error('The servers do not know each other')
  }
}

/** Rejects as long as a server does not see the cluster whole, or is a replica that does not follow. */
async function expectRoles(port: number, size: number, password: string): Promise<void> {
  await expectCoverage(port, password)
  const nodes = await readNodes(port, password)
  const replicas = nodes.filter((node) => / (?:myself,)?slave [0-9a-f]{40} /.test(node))
  if (replicas.length !== size - PRIMARIES) throw new Error('The servers do not know the replicas')
  const own = await askRedis(port, ['INFO replication'], password)
  if (!/role:master\r\nconnected_slaves:1|master_link_status:up/.test(own)) {
    throw new Error('A replica does not follow its primary')
  }
}

async function expectCoverage(port: number, password: string): Promise<void> {
  const info = await askRedis(port, ['CLUSTER INFO'], password)
  if (!/cluster_state:ok/.test(info) || !new RegExp(`cluster_slots_ok:${SLOTS}\r`).test(info)) {
    throw new Error('Not every slot is served')
  }
}

/** What a server knows of the others, a line each. */
async function readNodes(port: number, password: string): Promise<readonly string[]> {
  const answer = await askRedis(port, ['CLUSTER NODES'], password)
  return answer.split('\n').filter((line) => /^[0-9a-f]{40} /.test(line))
}
