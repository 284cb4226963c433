/**
 * A minute of requests per second, as a line.
 *
 * @module
 */

import type { VNode } from 'preact'
import { HISTORY_LENGTH } from '../state/model.ts'

/** Properties of {@link Sparkline}. */
export interface SparklineProps {
  /** Oldest first. */
  readonly samples: readonly number[]
  /** What it shows, in words. */
  readonly label: string
}

const WIDTH = 180
const HEIGHT = 36

/** Draws the line, its newest value at the right; the scale never falls below 5 a second, so that noise stays small. */
export function Sparkline({ samples, label }: SparklineProps): VNode {
  const top = Math.max(5, ...samples)
  const start = HISTORY_LENGTH - samples.length
  const points = samples.map((sample, index) => {
    const x = ((start + index) * WIDTH) / (HISTORY_LENGTH - 1)
    return `${x.toFixed(1)},${(HEIGHT - 2 - (sample / top) * (HEIGHT - 5)).toFixed(1)}`
  })
  const first = (start * WIDTH) / (HISTORY_LENGTH - 1)

  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <path class="sparkline-base" d={`M0 ${HEIGHT - 1.5}H${WIDTH}`} />
      {points.length > 1 && (
        <>
          <polygon points={`${first.toFixed(1)},${HEIGHT - 2} ${points.join(' ')} ${WIDTH},${HEIGHT - 2}`} />
          <polyline points={points.join(' ')} />
        </>
      )}
    </svg>
  )
}
