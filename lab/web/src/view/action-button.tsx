/**
 * A button that does something to a process.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { ServerAction } from '../../../fleet/protocol.ts'
import { usePage } from './page.ts'

/** Properties of {@link ActionButton}. */
export interface ActionButtonProps {
  readonly action: ServerAction
  /** Who suffers it: part of the accessible name. */
  readonly target: string
  readonly possible: boolean
  readonly onPress: () => void
}

/** Draws the button. An impossible one keeps its focus, so it is not `disabled`: the keyboard would fall off the card. */
export function ActionButton({ action, target, possible, onPress }: ActionButtonProps): VNode {
  const { words } = usePage()
  const name = words.t(`action.${action}`)

  return (
    <button
      type="button"
      class={`button small ${action === 'kill' ? 'danger' : ''}`}
      aria-label={words.t('actionOn', { action: name, target })}
      aria-disabled={!possible}
      data-action={action}
      onClick={() => possible && onPress()}
    >
      <svg viewBox="0 0 12 12" aria-hidden="true">
        <path d={ICONS[action]} />
      </svg>
      {name}
    </button>
  )
}

const ICONS: Readonly<Record<ActionButtonProps['action'], string>> = {
  kill: 'M2.5 2.5l7 7M9.5 2.5l-7 7',
  pause: 'M4 2.5v7M8 2.5v7',
  resume: 'M2 2.5v7M5 2.5l5 3.5-5 3.5z',
  start: 'M3.5 2.2l6 3.8-6 3.8z',
  drain: 'M6 1.5v6M3.5 5.5L6 8l2.5-2.5M2.5 10.5h7',
  cut: 'M1 6h3M8 6h3M4.5 9l3-6',
  slow: 'M6 2.5V6l2.5 1.5M6 1a5 5 0 1 1 0 10A5 5 0 1 1 6 1z',
  heal: 'M1 6h10M4 3.5v5M8 3.5v5',
}
