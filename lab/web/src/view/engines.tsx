/**
 * The back-end servers of a strategy, and what can be done to them.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { EngineState } from '../../../fleet/protocol.ts'
import { engineActions, isPossible } from '../state/server-actions.ts'
import { ActionButton } from './action-button.tsx'
import { usePage } from './page.ts'

/** Draws a row for each back-end server. */
export function Engines({ engines }: { readonly engines: readonly EngineState[] }): VNode {
  const { lab, words } = usePage()

  return (
    <section class="panel" aria-labelledby="engines-title">
      <h2 id="engines-title">{words.t('engines')}</h2>
      <ul class="engines">
        {engines.map(({ name, pid, port, status }) => {
          const busy = lab.isPending(`engines/${name}`)
          return (
            <li
              key={name}
              class="engine"
              data-testid={`engine-${name}`}
              data-status={status}
              aria-busy={busy}
            >
              <strong>{name}</strong>
              <span class="hint">
                {words.t('port')} {port} · {words.t('pid')} {pid ?? '–'}
              </span>
              <span class="status" data-status={status} data-testid={`engine-${name}-status`}>
                {words.t(`status.${status}`)}
              </span>
              <div class="actions">
                {engineActions.map((action) => (
                  <ActionButton
                    key={action}
                    action={action}
                    target={name}
                    possible={!busy && isPossible(status, action)}
                    onPress={() => void lab.actOnEngine(name, action)}
                  />
                ))}
              </div>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
