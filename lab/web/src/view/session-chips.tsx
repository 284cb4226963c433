/**
 * The sessions of a server, named by the first characters of their handles.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { HeldSession } from '../../../fleet/protocol.ts'
import { isWithVisitor, type SessionHome, sessionHome } from '../state/home.ts'
import { isSameHandle, shortHandle } from '../text/format.ts'
import { usePage } from './page.ts'

const CHIP_LIMIT = 12

/** Properties of {@link SessionChips}. */
export interface SessionChipsProps {
  readonly server: string
  /** Newest first. */
  readonly sessions: readonly HeldSession[]
  /** How many there are in all. */
  readonly count: number
}

/** Draws the newest sessions as buttons: pressing one highlights it on every server and in the feed. */
export function SessionChips({ server, sessions, count }: SessionChipsProps): VNode {
  const { lab, words } = usePage()
  const state = lab.state.value
  const home = state && sessionHome(state)
  const shown = sessions.slice(0, CHIP_LIMIT)
  if (isWithVisitor(home)) {
    return (
      <div class="sessions">
        <h4>{words.t('sessions.visitor')}</h4>
        <p class="hint" data-testid={`server-${server}-no-sessions`}>
          {words.t(home === 'token' ? 'noSessionsToken' : 'noSessionsSealed')}
        </p>
      </div>
    )
  }

  return (
    <div class="sessions">
      <h4>
        {words.t(titleOf(home))}{' '}
        <span class="count" data-testid={`server-${server}-sessions`}>
          {words.n(count)}
        </span>
      </h4>
      {shown.length === 0 ? (
        <p class="hint">{words.t('noSessions')}</p>
      ) : (
        <ul class="chips">
          {shown.map((session) => (
            <li key={session.handle}>
              <Chip session={session} />
            </li>
          ))}
          {count > shown.length && (
            <li class="hint">{words.t('moreSessions', { n: count - shown.length })}</li>
          )}
        </ul>
      )}
    </div>
  )
}

function titleOf(home: SessionHome | undefined) {
  if (home === 'servers') return 'sessions.held'
  if (home === 'copies') return 'sessions.all'
  return home === 'file-copied' || home === 'engines-copied' ? 'sessions.copies' : 'sessions.served'
}

function Chip({ session }: { readonly session: HeldSession }): VNode {
  const { lab, words } = usePage()
  const { handle, principal } = session
  const short = shortHandle(handle)
  const followed = isSameHandle(lab.followed.value, handle)
  const label =
    principal === undefined
      ? words.t('sessionOfVisitor', { handle: short })
      : words.t('sessionOf', { handle: short, user: principal })

  return (
    <button
      type="button"
      class="chip"
      data-testid="session"
      data-user={principal !== undefined}
      aria-label={label}
      aria-pressed={followed}
      title={principal ?? words.t('visitor')}
      onClick={() => lab.follow(followed ? undefined : handle)}
    >
      <span class="chip-mark" aria-hidden="true" />
      {short}
    </button>
  )
}
