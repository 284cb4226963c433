/**
 * What an outsider can do to the memcached servers of the fleet.
 *
 * @module
 */

import { converse } from '../../../engines/converse.ts'
import type { EngineState, Fleet } from '../../protocol.ts'
import { listEngines, type Meddler } from './meddler.ts'

const ENGINE = 'memcached'

/** Meddles with all servers, each of which has sessions of its own. */
export function createMemcachedMeddler(fleet: Fleet): Meddler {
  const servers = () => listEngines(fleet, ENGINE).filter(({ status }) => status === 'ready')

  async function findServer(handle: string): Promise<EngineState | undefined> {
    for (const server of servers()) {
      // Frozen items are on their way out.
      if (/^HD(?! .*\bX\b)/m.test(await ask(server, `mg ${itemOf(handle)} s`))) return server
    }
    return undefined
  }

  return {
    async wipe() {
      await Promise.all(servers().map((server) => ask(server, 'flush_all')))
    },
    async damage(handle, data) {
      const server = await findServer(handle)
      if (!server) return false
      const [line = '', head = ''] = (await ask(server, `mg ${itemOf(handle)} t v`)).split('\r\n', 2)
      const ttl = / t(\d+)/.exec(line)?.[1] ?? '60'
      // The line before the data says whose it is.
      const value = `${head.slice(0, head.indexOf('\n') + 1)}${data}`
      const answer = await ask(server, `ms ${itemOf(handle)} ${Buffer.byteLength(value)} T${ttl}\r\n${value}`)
      return answer.startsWith('HD')
    },
    isSetAside: async (handle) => (await findServer(handle)) === undefined,
    async find(handles) {
      const there = new Map<string, string>()
      for (const handle of handles) {
        const server = await findServer(handle)
        if (server) there.set(handle, server.name)
      }
      return there
    },
    primaries: async () => servers().map(({ name }) => name),
    keepers: () => listEngines(fleet, ENGINE).map(({ name }) => name),
    async countCommands() {
      const stats = await Promise.all(servers().map((server) => ask(server, 'stats')))
      return stats.reduce((sum, text) => sum + countCommands(text), 0)
    },
  }
}

function itemOf(handle: string): string {
  return `coatcheck:s:${handle}`
}

function countCommands(stats: string): number {
  const lines = stats.matchAll(/^STAT cmd_(?:get|set|meta) (\d+)/gm)
  return [...lines].reduce((sum, [, calls]) => sum + Number(calls), 0)
}

function ask({ port }: EngineState, command: string): Promise<string> {
  return converse(port, [command, 'quit'])
}
