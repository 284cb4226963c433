/**
 * Starts real memcached servers.
 *
 * @module
 */

import { accountFor } from './account.ts'
import { converse } from './converse.ts'
import type { EngineSpec } from './engine.ts'
import { createGroup, type EngineGroup, type EngineOptions } from './group.ts'
import { expectProgram } from './installed.ts'
import { withFreePorts } from './ports.ts'

/** Options of {@link startMemcached}. */
export interface MemcachedOptions extends EngineOptions {
  /**
   * Number of servers, which know nothing of each other.
   *
   * @default 1
   */
  readonly nodes?: number
  /**
   * Memory of each for items, in megabytes.
   *
   * @default 64
   */
  readonly memory?: number
  /**
   * More arguments: `['-M']` refuses writes when the memory is full.
   *
   * @default none
   */
  readonly args?: readonly string[]
}

/**
 * Starts memcached on free ports. Its engines are called `memcached-1`, `memcached-2`, …
 *
 * @throws When it is not installed, or does not start.
 */
export async function startMemcached(options: MemcachedOptions = {}): Promise<EngineGroup> {
  const { nodes = 1, memory = 64, args = [] } = options
  return await withFreePorts(nodes, (ports) =>
    createGroup(options, async ({ start }) => {
      await Promise.all(
        ports.map((port, index) => start(describeMemcached(`memcached-${index + 1}`, port, memory, args))),
      )
      return {}
    }),
  )
}

function describeMemcached(name: string, port: number, memory: number, more: readonly string[]): EngineSpec {
  return {
    name,
    port,
    file: expectProgram('memcached'),
    args: ['-l', '127.0.0.1', '-p', String(port), '-U', '0', '-m', String(memory), ...more],
    // It refuses to run as root.
    account: accountFor('nobody'),
    async check(pid) {
      const answer = await converse(port, ['stats', 'quit'])
      if (!answer.includes(`STAT pid ${pid}\r\n`)) throw new Error(`Another process answers on port ${port}`)
    },
  }
}
