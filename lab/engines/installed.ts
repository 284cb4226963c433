/**
 * Finds the servers that are installed on this machine, and says how to get those that are not.
 *
 * @module
 */

import { execFileSync } from 'node:child_process'
import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** A server that the tests, the benches or the lab may start. */
export type ServerName = keyof typeof serverPackages

/** Debian package of each server. */
export const serverPackages = {
  'redis-server': 'redis-server',
  'redis-sentinel': 'redis-sentinel',
  memcached: 'memcached',
  'nats-server': 'nats-server',
  postgresql: 'postgresql',
  pgbouncer: 'pgbouncer',
  haproxy: 'haproxy',
  nginx: 'nginx-light',
  wrk: 'wrk',
} as const

/** `undefined` when the server is installed; otherwise a sentence that says which package to install, and how. */
export function missingServer(name: ServerName): string | undefined {
  const found = name === 'postgresql' ? findPostgresTool('postgres') : findProgram(name)
  if (found !== undefined) return undefined
  return `${name} is not installed: install the package "${serverPackages[name]}", or all servers with "npm run servers".`
}

/**
 * Path of a server's program.
 *
 * @throws When it is not installed.
 */
export function expectProgram(name: ServerName): string {
  const path = findProgram(name)
  if (path === undefined) throw new Error(`Cannot start ${name}: ${missingServer(name)}`)
  return path
}

/**
 * Path of one of PostgreSQL's own programs: `postgres`, `initdb`, `pg_basebackup`.
 *
 * @throws When PostgreSQL is not installed.
 */
export function expectPostgresTool(tool: string): string {
  const path = findPostgresTool(tool)
  if (path === undefined) throw new Error(`Cannot start ${tool}: ${missingServer('postgresql')}`)
  return path
}

/** Looks where servers are: Debian keeps some in folders that the PATH of a user leaves out. */
function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

/** Debian puts each version in a folder of its own, out of the PATH: the newest counts. */
function findPostgresTool(tool: string): string | undefined {
  const versions = listFolder('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
  const debian = versions
    .map((version) => join('/usr/lib/postgresql', version, 'bin', tool))
    .find(isExecutable)
  return debian ?? findProgram(tool) ?? findByConfig(tool)
}

function findByConfig(tool: string): string | undefined {
  const config = findProgram('pg_config')
  if (config === undefined) return undefined
  const path = join(execFileSync(config, ['--bindir'], { encoding: 'utf8' }).trim(), tool)
  return isExecutable(path) ? path : undefined
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
