/**
 * Suites that need real servers.
 *
 * @module
 */

import { describe, it } from 'vitest'
import { missingServer, type ServerName } from '../../lab/engines/installed.ts'

/**
 * Describes a suite that needs servers. Without one of them it is skipped, and its title says why; it fails instead when
 * `COATCHECK_REQUIRE_SERVERS` is 1.
 */
export function describeWith(servers: readonly ServerName[], title: string, suite: () => void): void {
  const reason = servers.map(missingServer).find((sentence) => sentence !== undefined)
  const required = process.env['COATCHECK_REQUIRE_SERVERS'] === '1'
  describe.skipIf(reason !== undefined && !required)(
    reason === undefined ? title : `${title} (${reason})`,
    () => {
      if (reason === undefined || !required) return suite()
      it('has the servers that it needs', () => {
        throw new Error(reason)
      })
    },
  )
}
