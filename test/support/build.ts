/**
 * Compiles the package and the lab once, before tests that start real processes.
 *
 * @module
 */

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Called by vitest before the `system` tests. */
export function setup(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
}
