/**
 * One process of Redis, alone or as part of something larger.
 *
 * @module
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { converse } from './converse.ts'
import type { EngineSpec } from './engine.ts'
import { expectProgram } from './installed.ts'

/** Directives of `redis.conf`, by name. An array stands for a directive that is given several times. */
export type RedisConfig = Readonly<Record<string, string | number | readonly string[]>>

/** A Redis server to start. */
export interface RedisServer {
  readonly name: string
  readonly port: number
  readonly config?: RedisConfig
}

/**
 * What every Redis here begins with.
 *
 * It writes each command to its log before it answers, so that what it acknowledged outlives a kill of the process; the
 * disk is synchronized each second, so that no command waits for it.
 */
const defaults: RedisConfig = {
  bind: '127.0.0.1',
  save: "''",
  appendonly: 'yes',
  appendfsync: 'everysec',
  // A replica asks for all data as soon as it is started, not after 5 s.
  'repl-diskless-sync-delay': 0,
}

/** Writes the files of a Redis server into the folder, and describes how to run it. */
export async function prepareRedisServer(folder: string, server: RedisServer): Promise<EngineSpec> {
  const { name, port, config = {} } = server
  const data = join(folder, name)
  await mkdir(data)
  // A file rather than arguments: Sentinel writes the role that a server has at the moment into it.
  const file = join(data, 'redis.conf')
  await writeFile(file, formatRedisConfig({ ...defaults, port, dir: data, ...config }))
  return {
    name,
    port,
    file: expectProgram('redis-server'),
    args: [file],
    check: (pid) => expectRedis(port, pid, String(config['requirepass'] ?? '')),
  }
}

/** Writes directives as lines. */
export function formatRedisConfig(config: RedisConfig): string {
  return Object.entries(config)
    .flatMap(([name, value]) =>
      (typeof value === 'object' ? value : [value]).map((one) => `${name} ${one}\n`),
    )
    .join('')
}

/**
 * Sends commands to a Redis on 127.0.0.1 and resolves to its answers as they came.
 *
 * @param password Empty: none.
 * @throws When one of the answers is an error.
 */
export async function askRedis(port: number, commands: readonly string[], password = ''): Promise<string> {
  const login = password ? [`AUTH ${password}`] : []
  // A sentinel knows no QUIT.
  const answer = await converse(port, [...login, ...commands, 'PING goodbye', 'QUIT'], '$7\r\ngoodbye')
  const error = /^-(.*)$/m.exec(answer)
  if (error) throw new Error(`Redis on port ${port} answers ${error[1]}`)
  return answer
}

/** Rejects as long as the server loads its data, or while another process answers on its port. */
export async function expectRedis(port: number, pid: number, password: string): Promise<void> {
  const answer = await askRedis(port, ['PING', 'INFO server'], password)
  if (!answer.includes('+PONG') || !answer.includes(`process_id:${pid}\r\n`)) {
    throw new Error(`Another process answers on port ${port}`)
  }
}
