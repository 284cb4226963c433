/**
 * One answered request.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { RequestEntry } from '../../../fleet/protocol.ts'
import { isWithVisitor, sessionHome } from '../state/home.ts'
import { formatDuration, formatTime, isSameHandle, shortHandle } from '../text/format.ts'
import { Badge } from './badge.tsx'
import { usePage } from './page.ts'

/** Draws a row of the feed. */
export function FeedRow({ entry }: { readonly entry: RequestEntry }): VNode {
  const { lab, words } = usePage()
  const { seq, at, method, path, status, server, routedBy, session, sessionSet, milliseconds } = entry
  const followed = lab.followed.value
  const state = lab.state.value
  const withVisitor = state !== undefined && isWithVisitor(sessionHome(state))
  const highlighted = isSameHandle(followed, session) || isSameHandle(followed, sessionSet)

  return (
    <tr data-testid="feed-row" data-seq={seq} data-server={server ?? ''} data-followed={highlighted}>
      <td class="time">{formatTime(at)}</td>
      <td class="request">
        <span class="method">{method}</span> {path}
      </td>
      <td>
        <span class="code" data-class={Math.floor(status / 100)}>
          {status}
        </span>
      </td>
      <td>
        <Badge server={server} />
      </td>
      <td class="reason">{routedBy}</td>
      <td class="handles">
        {session === undefined ? (
          <span class="hint" title={words.t(withVisitor ? 'noSessionId' : 'noSession')}>
            –
          </span>
        ) : (
          shortHandle(session)
        )}
        {sessionSet !== undefined && (
          <span class="set-cookie" title={words.t('setsCookie', { handle: shortHandle(sessionSet) })}>
            <span aria-hidden="true">→ </span>
            <span class="visually-hidden">{words.t('setsCookie', { handle: '' })}</span>
            {shortHandle(sessionSet)}
          </span>
        )}
      </td>
      <td class="number">{formatDuration(milliseconds)}</td>
    </tr>
  )
}
