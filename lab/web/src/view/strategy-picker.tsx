/**
 * Choice of the way of keeping a login, and of the routing.
 *
 * @module
 */

import type { VNode } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import type { LabState, RoutingName, StrategyInfo } from '../../../fleet/protocol.ts'
import { usePage } from './page.ts'

const ROUTINGS: readonly RoutingName[] = [
  'round-robin',
  'least-connections',
  'p2c',
  'ip-hash',
  'random',
  'sticky',
]

/**
 * Draws the strategies as toggle buttons, not as radio buttons: arrow keys would restart every server on the way.
 */
export function StrategyPicker({ state }: { readonly state: LabState }): VNode {
  const { lab, words } = usePage()
  const list = useRef<HTMLUListElement>(null)
  const busy = state.switching || lab.isPending('strategy')

  // On narrow pages the strategies are a row to swipe: the running one must be in sight.
  useLayoutEffect(() => {
    const option = list.current?.querySelector<HTMLElement>('[aria-pressed="true"]')?.parentElement
    if (list.current && option)
      list.current.scrollLeft = option.offsetLeft - (list.current.clientWidth - option.clientWidth) / 2
  }, [state.strategy])

  return (
    <section class="picker" aria-labelledby="strategies-title">
      <div class="panel-head">
        <h2 id="strategies-title">{words.t('strategies')}</h2>
        <p class="hint" role="status">
          {busy ? <strong data-testid="switching">{words.t('switching')}</strong> : words.t('strategiesHint')}
        </p>
      </div>
      <ul ref={list} class="strategies">
        {state.strategies.map((strategy) => (
          <li key={strategy.name}>
            <StrategyOption strategy={strategy} current={strategy.name === state.strategy} busy={busy} />
          </li>
        ))}
      </ul>
      <label class="field">
        <span>{words.t('routing')}</span>
        <select
          data-testid="routing"
          disabled={busy}
          value={state.routing}
          onChange={(event) =>
            void lab.switchStrategy(state.strategy, event.currentTarget.value as RoutingName)
          }
        >
          {ROUTINGS.map((routing) => (
            <option key={routing} value={routing}>
              {words.t(`routing.${routing}`)}
            </option>
          ))}
        </select>
        <small class="hint">{words.t('routingHint')}</small>
      </label>
    </section>
  )
}

interface StrategyOptionProps {
  readonly strategy: StrategyInfo
  readonly current: boolean
  readonly busy: boolean
}

function StrategyOption({ strategy, current, busy }: StrategyOptionProps): VNode {
  const { lab, words } = usePage()
  const { name, title, summary, unavailable } = strategy
  const disabled = busy || unavailable !== undefined
  const id = `strategy-${name}`

  return (
    <button
      type="button"
      class="strategy"
      data-testid={id}
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-text`}
      aria-pressed={current}
      aria-disabled={disabled}
      onClick={() => {
        if (!disabled && !current) void lab.switchStrategy(name)
      }}
    >
      <span class="strategy-title">
        <span id={`${id}-title`}>{words.of(title)}</span>
        {current && <span class="tag accent">{words.t('running')}</span>}
        {unavailable && <span class="tag">{words.t('unavailable')}</span>}
      </span>
      <span id={`${id}-text`} class="strategy-text">
        {words.of(summary)}
        {unavailable && <span class="strategy-reason">{words.of(unavailable)}</span>}
      </span>
    </button>
  )
}
