/**
 * What an outsider can do to the Redis of the fleet: one, a primary with replicas, or a cluster.
 *
 * @module
 */

import type { Fleet } from '../../protocol.ts'
import { listEngines, type Meddler } from './meddler.ts'

const ENGINE = 'redis'
const SENTINEL = 'sentinel'
const TIMEOUT = 2_000
const PREFIX = 'coatcheck:'

/** Meddles with every server that takes writes at the moment. */
export function createRedisMeddler(fleet: Fleet): Meddler {
  const servers = () => listEngines(fleet, ENGINE)

  /**
   * Names of the servers that take writes. Where there are sentinels, they know: a primary that was dead believes for a
   * while that it still is one. Elsewhere each says so itself; one that gives no answer is none.
   */
  async function primaries(): Promise<readonly string[]> {
    for (const { port } of listEngines(fleet, SENTINEL)) {
      const masters = (await ask(port, ['SENTINEL', 'MASTERS']).catch(() => [])) as readonly unknown[]
      const elected = masters.map(readPort)
      if (elected.length > 0)
        return servers().flatMap((server) => (elected.includes(server.port) ? server.name : []))
    }
    const roles = await Promise.all(
      servers().map(async ({ name, port }) => {
        const role = (await ask(port, ['ROLE']).catch(() => [])) as readonly unknown[]
        return String(role[0]) === 'master' ? name : undefined
      }),
    )
    return roles.filter((name) => name !== undefined)
  }

  async function askPrimaries(command: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const names = new Set(await primaries())
    const writable = servers().filter(({ name }) => names.has(name))
    return new Map(
      await Promise.all(writable.map(async ({ name, port }) => [name, await ask(port, command)] as const)),
    )
  }

  /** Asks each primary until one has the key: of a cluster, the others send the client away. */
  async function askOwner(
    command: readonly string[],
  ): Promise<{ name: string; answer: unknown } | undefined> {
    const names = new Set(await primaries())
    for (const { name, port } of servers()) {
      if (!names.has(name)) continue
      try {
        return { name, answer: await ask(port, command) }
      } catch (error) {
        if (!(error as Error).message.startsWith('MOVED ')) throw error
      }
    }
    return undefined
  }

  return {
    async wipe() {
      await askPrimaries(['FLUSHALL'])
    },
    async damage(handle, data) {
      const key = recordKey(handle)
      const record = (await askOwner(['GET', key]))?.answer
      if (typeof record !== 'string') return false
      // The line before the data says whose it is.
      const head = record.slice(0, record.indexOf('\n') + 1)
      await askOwner(['SET', key, head + data, 'KEEPTTL'])
      return true
    },
    async isSetAside(handle) {
      return (await askOwner(['EXISTS', `${PREFIX}q:{${handle}}`]))?.answer === 1
    },
    async find(handles) {
      const there = new Map<string, string>()
      for (const handle of handles) {
        const found = await askOwner(['EXISTS', recordKey(handle)])
        if (found?.answer === 1) there.set(handle, found.name)
      }
      return there
    },
    primaries,
    keepers: () => servers().map(({ name }) => name),
    async countCommands() {
      const infos = await askPrimaries(['INFO', 'commandstats'])
      let calls = 0
      for (const info of infos.values()) calls += countCalls(String(info))
      return calls
    },
  }
}

/** Reads the port of a primary as a sentinel describes it: as a list of names and values, or as a map. */
function readPort(master: unknown): number {
  if (Array.isArray(master)) return Number(master[master.indexOf('port') + 1])
  const entries = master instanceof Map ? Object.fromEntries(master) : master
  return Number((entries as { port?: unknown }).port)
}

function recordKey(handle: string): string {
  return `${PREFIX}s:{${handle}}`
}

/** Commands that clients have sent to read or write sessions; what scripts call counts with the script. */
function countCalls(info: string): number {
  const lines = info.matchAll(/^cmdstat_(?:evalsha|eval|mget|get):calls=(\d+)/gm)
  return [...lines].reduce((sum, [, calls]) => sum + Number(calls), 0)
}

async function ask(port: number, command: readonly string[]): Promise<unknown> {
  const { createClient } = await import('redis')
  const client = createClient({
    socket: { host: '127.0.0.1', port, connectTimeout: TIMEOUT, reconnectStrategy: false },
    commandOptions: { timeout: TIMEOUT },
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await client.sendCommand(command)
  } finally {
    client.destroy()
  }
}
