/**
 * Starts a real NATS with JetStream: one server, or a cluster of them.
 *
 * @module
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { converse } from './converse.ts'
import type { EngineSpec } from './engine.ts'
import { createGroup, type EngineGroup, type EngineOptions, type OpenGroup } from './group.ts'
import { expectProgram } from './installed.ts'
import { withFreePorts } from './ports.ts'
import { waitUntil } from './wait-until.ts'

/** Options of {@link startNats}. */
export interface NatsOptions extends EngineOptions {
  /**
   * Number of servers: 1, or 3 or 5 for a cluster.
   *
   * @default 3
   */
  readonly nodes?: number
}

/** A running NATS. */
export interface Nats extends EngineGroup {
  /** Addresses for any client, one for each server. */
  readonly servers: readonly string[]
}

/** Ports of one server. */
interface NatsPorts {
  readonly client: number
  readonly monitor: number
  readonly route: number
}

const LEADER_TIMEOUT = 20_000

/**
 * Starts NATS on free ports. Resolves when all servers have found each other and JetStream has a leader. Its engines are
 * called `nats-1`, `nats-2`, …
 *
 * @throws When it is not installed, or does not start.
 */
export async function startNats(options: NatsOptions = {}): Promise<Nats> {
  const { nodes = 3 } = options
  return await withFreePorts(3 * nodes, (free) =>
    createGroup(options, async (group) => {
      const ports = Array.from({ length: nodes }, (_, index) => {
        const [client = 0, monitor = 0, route = 0] = free.slice(3 * index)
        return { client, monitor, route }
      })
      const specs = ports.map((own, index) => describeNats(group, `nats-${index + 1}`, own, ports))
      await Promise.all(specs.map(({ config, file }) => writeFile(file, config)))
      await Promise.all(specs.map(({ spec }) => group.start(spec)))
      if (nodes > 1) await waitUntil(() => expectLeader(ports), LEADER_TIMEOUT)
      return { servers: ports.map(({ client }) => `nats://127.0.0.1:${client}`) }
    }),
  )
}

function describeNats(
  { folder }: OpenGroup,
  name: string,
  { client, monitor, route }: NatsPorts,
  all: readonly NatsPorts[],
): { readonly file: string; readonly config: string; readonly spec: EngineSpec } {
  const file = join(folder, `${name}.conf`)
  const routes = all.map((other) => `nats://127.0.0.1:${other.route}`)
  const cluster = { name: 'coatcheck', listen: `127.0.0.1:${route}`, routes }
  const config = {
    server_name: name,
    listen: `127.0.0.1:${client}`,
    http: `127.0.0.1:${monitor}`,
    jetstream: { store_dir: join(folder, name), max_memory_store: 2 ** 28, max_file_store: 2 ** 30 },
    ...(all.length > 1 && { cluster }),
  }
  return {
    file,
    // JSON is a part of its configuration language.
    config: JSON.stringify(config),
    spec: {
      name,
      port: client,
      file: expectProgram('nats-server'),
      args: ['--config', file],
      async check() {
        const { server_name: answering } = await ask(monitor, '/varz')
        if (answering !== name) throw new Error(`Another server answers on port ${monitor}`)
        // It hangs up on those who do not speak its language.
        await converse(client, ['QUIT'])
      },
      async checkGroup() {
        await ask(monitor, '/healthz?js-server-only=true')
      },
    },
  }
}

/** Rejects as long as the servers do not agree on who leads JetStream. */
async function expectLeader(ports: readonly NatsPorts[]): Promise<void> {
  const answers = await Promise.all(ports.map(({ monitor }) => ask(monitor, '/jsz')))
  const leaders = new Set(
    answers.map(({ meta_cluster: meta }) => (meta as { leader?: string } | undefined)?.leader),
  )
  if (leaders.size > 1 || leaders.has(undefined) || leaders.has(''))
    throw new Error('JetStream has no leader')
}

/** Asks the monitoring port; rejects unless the answer is 200. */
async function ask(port: number, path: string): Promise<Record<string, unknown>> {
  const answer = await converse(port, [`GET ${path} HTTP/1.0`, ''])
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  if (!/^HTTP\/1\.\d 200 /.test(head)) throw new Error(`The server is not ready: ${body.trim()}`)
  return JSON.parse(body) as Record<string, unknown>
}
