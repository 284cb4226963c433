/**
 * One server: its state, its load, its sessions, and what can be done to it.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { ServerState } from '../../../fleet/protocol.ts'
import { isLinkPossible, isPossible, linkActions, serverActions } from '../state/server-actions.ts'
import { ActionButton } from './action-button.tsx'
import { Badge, hueOf } from './badge.tsx'
import { usePage } from './page.ts'
import { SessionChips } from './session-chips.tsx'
import { Sparkline } from './sparkline.tsx'

/** Draws the card of a server. */
export function ServerCard({ server }: { readonly server: ServerState }): VNode {
  const { lab, words } = usePage()
  const { id, pid, status, link, healthy, active, answered, requestsPerSecond } = server
  const samples = lab.model.value.history.samples[id] ?? []
  const busy = lab.isPending(`servers/${id}`)

  return (
    <article
      class={`panel server ${hueOf(id)}`}
      data-testid={`server-${id}`}
      data-status={status}
      data-link={link}
      aria-labelledby={`server-${id}-name`}
      aria-busy={busy}
    >
      <header class="server-head">
        <Badge server={id} />
        <h3 id={`server-${id}-name`}>{words.t('serverName', { id })}</h3>
        <span class="status" data-status={status} data-testid={`server-${id}-status`}>
          {words.t(`status.${status}`)}
        </span>
      </header>
      <div class="server-load">
        <Sparkline samples={samples} label={words.t('loadLabel', { id, n: requestsPerSecond })} />
        <span class="server-rate" data-testid={`server-${id}-rate`}>
          {words.t('perSecond', { n: requestsPerSecond })}
        </span>
      </div>
      <dl class="facts">
        <Fact name={words.t('health')} value={words.t(healthy ? 'healthy' : 'unhealthy')} bad={!healthy} />
        <Fact name={words.t('active')} value={words.n(active)} />
        <Fact name={words.t('answered')} value={words.n(answered)} />
        <Fact name={words.t('pid')} value={pid === undefined ? '–' : String(pid)} />
        {link && <Fact name={words.t('link')} value={words.t(`link.${link}`)} bad={link === 'cut'} />}
      </dl>
      <SessionChips server={id} sessions={server.sessions} count={server.sessionCount} />
      <div class="actions">
        {serverActions.map((action) => (
          <ActionButton
            key={action}
            action={action}
            target={id}
            possible={!busy && isPossible(status, action)}
            onPress={() => void lab.actOnServer(id, action)}
          />
        ))}
      </div>
      {link && (
        <div class="actions link-actions">
          {linkActions.map((action) => (
            <ActionButton
              key={action}
              action={action}
              target={id}
              possible={!busy && isLinkPossible(link, action)}
              onPress={() => void lab.actOnServer(id, action)}
            />
          ))}
        </div>
      )}
    </article>
  )
}

function Fact({
  name,
  value,
  bad = false,
}: {
  readonly name: string
  readonly value: string
  readonly bad?: boolean
}) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={bad ? 'bad' : ''}>{value}</dd>
    </div>
  )
}
