/**
 * What becomes of the reports of server processes.
 *
 * @module
 */

import type { Hearsay } from './hearsay.ts'
import type { CopyCosts } from './protocol.ts'
import type { Incident, ServerReport } from './server-messages.ts'
import type { SessionTally } from './session-tally.ts'

/** What is known of one server by its reports. */
export interface ServerAccount {
  readonly id: string
  readonly tally: SessionTally
  readonly costs: Hearsay<CopyCosts>
}

/** Whom reports concern. */
export interface ReportContext {
  /** Whether a session that is gone for one server is gone for all of them. */
  readonly sharesSessions: () => boolean
  /** The state has changed, and should be shown within so many milliseconds. */
  readonly onChange: (within?: number) => void
  /** The session manager of a server told something that is no everyday matter. */
  readonly onIncident: (id: string, incident: Incident) => void
}

/** How soon a change of sessions should be seen, in milliseconds. */
const SESSIONS_WITHIN = 500

/** Creates a function that takes the reports of all servers into their accounts. */
export function createReports(
  accounts: readonly ServerAccount[],
  context: ReportContext,
): (id: string, report: ServerReport) => void {
  const { sharesSessions, onChange, onIncident } = context

  return (id, report) => {
    if (report.type === 'incident') {
      onIncident(id, report.incident)
    } else if (report.type === 'costs') {
      // The state goes out each second by itself, as often as costs are told: an order to show it would double that.
      accounts.find((account) => account.id === id)?.costs.hear(report.costs)
    } else {
      const shared = sharesSessions()
      for (const account of accounts) {
        for (const change of report.changes) {
          if (account.id === id || (shared && change.type === 'gone')) account.tally.apply(change)
        }
      }
      onChange(SESSIONS_WITHIN)
    }
  }
}
