/**
 * What the moving dots mean.
 *
 * @module
 */

import type { VNode } from 'preact'
import { usePage } from './page.ts'

/** Properties of {@link Legend}. */
export interface LegendProps {
  /** Nothing moves. */
  readonly still: boolean
  /** The fleet sees which cookies name a session; it cannot when the cookie is the session. */
  readonly withCookies: boolean
}

/** Draws the legend; with reduced motion it says why nothing moves. */
export function Legend({ still, withCookies }: LegendProps): VNode {
  const { words } = usePage()
  if (still) return <p class="legend hint">{words.t('motionOff')}</p>

  return (
    <ul class="legend hint">
      <li>
        <Mark kind="dot" />
        {words.t('legendRequest')}
      </li>
      <li>
        <Mark kind="dot hue-0" />
        <Mark kind="dot hue-1" />
        <Mark kind="dot hue-2" />
        {words.t('legendServed')}
      </li>
      {withCookies && (
        <li>
          <Mark kind="dot hue-0 ringed" />
          {words.t('legendCookie')}
        </li>
      )}
      <li>
        <Mark kind="dot failed" />
        {words.t('legendFailed')}
      </li>
    </ul>
  )
}

function Mark({ kind }: { readonly kind: string }): VNode {
  return (
    <svg viewBox="-8 -8 16 16" aria-hidden="true" class="legend-mark">
      <g class={kind}>
        <circle r="4.5" />
        <circle class="ring" r="6.8" />
        <path class="cross" d="M-4 -4L4 4M4 -4L-4 4" />
      </g>
    </svg>
  )
}
