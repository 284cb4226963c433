/**
 * Compiles the package, the lab and the examples once, before tests that start real processes.
 *
 * @module
 */

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Called by vitest before the `system` tests. */
export function setup(): void {
  run('npm', 'run', '--silent', 'build')
  run('npx', 'tsc', '-b', 'examples')
}

function run(command: string, ...values: readonly string[]): void {
  execFileSync(command, values, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
}
