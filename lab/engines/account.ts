/**
 * The account for servers that refuse to run as root.
 *
 * @module
 */

import { execFileSync } from 'node:child_process'

/** An account of the system. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/**
 * Account that a server is run as: the named one when this process is root, otherwise its own (`undefined`).
 *
 * @throws When this process is root and there is no such account.
 */
export function accountFor(name: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const ask = (option: string) => Number(execFileSync('id', [option, name], { encoding: 'utf8' }))
  return { uid: ask('-u'), gid: ask('-g') }
}
