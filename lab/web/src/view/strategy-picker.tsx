/**
 * Choice of the way of keeping a login, and of the routing.
 *
 * @module
 */

import type { VNode } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { LabState, RoutingName, StrategyInfo } from '../../../fleet/protocol.ts'
import { groupByWay, type WayGroup } from '../state/ways.ts'
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
 *
 * Where they stand below each other, what a strategy does and costs is shown for one at a time: the one that is pointed
 * at, else the running one.
 */
export function StrategyPicker({ state }: { readonly state: LabState }): VNode {
  const { lab, words } = usePage()
  const list = useRef<HTMLUListElement>(null)
  const [pointed, setPointed] = useState<string>()
  const busy = state.switching || lab.isPending('strategy')
  const described = state.strategies.find(({ name }) => name === (pointed ?? state.strategy))

  // On narrow pages the strategies are a row to swipe, on low ones a list to scroll: the running one must be in sight.
  useLayoutEffect(() => {
    const option = list.current?.querySelector<HTMLElement>('[aria-pressed="true"]')?.parentElement
    const frame = list.current?.parentElement
    if (!list.current || !option || !frame) return
    list.current.scrollLeft = option.offsetLeft - (list.current.clientWidth - option.clientWidth) / 2
    frame.scrollTop = option.offsetTop - (frame.clientHeight - option.clientHeight) / 2
  }, [state.strategy])

  return (
    <section class="picker" aria-labelledby="strategies-title">
      <div class="panel-head">
        <h2 id="strategies-title">{words.t('strategies')}</h2>
        <p class="hint" role="status">
          {busy ? <strong data-testid="switching">{words.t('switching')}</strong> : words.t('strategiesHint')}
        </p>
      </div>
      <div class="ways-frame">
        <ul ref={list} class="ways" onMouseLeave={() => setPointed(undefined)}>
          {groupByWay(state.strategies).map((group) => (
            <WayOptions
              key={group.way}
              group={group}
              running={state.strategy}
              busy={busy}
              onPoint={setPointed}
            />
          ))}
        </ul>
        <Missing strategies={state.strategies} />
      </div>
      {described && <About strategy={described} current={described.name === state.strategy} />}
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

interface WayOptionsProps {
  readonly group: WayGroup
  readonly running: string
  readonly busy: boolean
  readonly onPoint: (strategy: string | undefined) => void
}

/** A way by its number; by its name as well where several strategies go it. */
function WayOptions({ group, running, busy, onPoint }: WayOptionsProps): VNode {
  const { words } = usePage()
  const { way, number, strategies } = group
  const name = words.t(`way.${way}`)

  return (
    <li class="way" data-testid={`way-${way}`}>
      <h3 class={`way-title ${strategies.length === 1 ? 'lone' : ''}`}>
        <span class="way-number">{number}</span>
        <span class="way-name">{name}</span>
      </h3>
      <ul class="strategies" aria-label={name}>
        {strategies.map((strategy) => (
          <li
            key={strategy.name}
            onMouseEnter={() => onPoint(strategy.name)}
            onFocusIn={() => onPoint(strategy.name)}
            onFocusOut={() => onPoint(undefined)}
          >
            <StrategyOption
              strategy={strategy}
              way={`${number} · ${name}`}
              current={strategy.name === running}
              busy={busy}
            />
          </li>
        ))}
      </ul>
    </li>
  )
}

interface StrategyOptionProps {
  readonly strategy: StrategyInfo
  readonly way: string
  readonly current: boolean
  readonly busy: boolean
}

function StrategyOption({ strategy, way, current, busy }: StrategyOptionProps): VNode {
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
      <span class="strategy-way" aria-hidden="true">
        {way}
      </span>
      <span class="strategy-title">
        <span id={`${id}-title`}>{words.of(title)}</span>
        {current && <span class="tag accent">{words.t('running')}</span>}
        {unavailable && <span class="strategy-away">{words.t('unavailable')}</span>}
      </span>
      <span id={`${id}-text`} class="strategy-text">
        {words.of(summary)}
        {unavailable && <span class="visually-hidden"> {words.of(unavailable)}</span>}
      </span>
    </button>
  )
}

/** For eyes only: assistive technology reads the same beside each button. */
function About({ strategy, current }: Pick<StrategyOptionProps, 'strategy' | 'current'>): VNode {
  const { words } = usePage()

  return (
    <div class="strategy-about" aria-hidden="true" data-testid="about">
      <span class="strategy-title">
        {words.of(strategy.title)}
        {current && <span class="tag accent">{words.t('running')}</span>}
      </span>
      <p class="hint">{words.of(strategy.unavailable ?? strategy.summary)}</p>
    </div>
  )
}

/** Says once of each server that is not installed how to get it. */
function Missing({ strategies }: { readonly strategies: readonly StrategyInfo[] }): VNode | undefined {
  const { words } = usePage()
  const reasons = new Set(
    strategies.flatMap(({ unavailable }) => (unavailable ? [words.of(unavailable)] : [])),
  )
  if (reasons.size === 0) return undefined

  return (
    <div class="missing" data-testid="missing">
      <strong>{words.t('missing')}</strong>
      <ul>
        {[...reasons].map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </ul>
    </div>
  )
}
