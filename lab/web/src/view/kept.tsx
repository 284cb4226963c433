/**
 * The headline of the lab: logins kept, of those acknowledged.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { TrafficState } from '../../../fleet/protocol.ts'
import { type KeptSegment, keptSegments } from '../state/kept.ts'
import { percentOf } from '../text/format.ts'
import { Badge, hueOf } from './badge.tsx'
import { usePage } from './page.ts'

/** Draws the figure and its bar: what is kept in full colour, what is lost pale in the colour of who lost it. */
export function Kept({ traffic }: { readonly traffic: TrafficState }): VNode {
  const { words } = usePage()
  const { kept, loggedIn } = traffic
  const segments = keptSegments(traffic)
  const figure = words.t('keptFigure', { kept, total: loggedIn })

  return (
    <div class="kept" data-testid="kept" data-kept={kept} data-total={loggedIn}>
      <p class="kept-lead">{words.t('keptLead')}</p>
      {loggedIn === 0 ? (
        <p class="kept-none">{words.t('keptNone')}</p>
      ) : (
        <p class="kept-figure">
          <strong data-testid="kept-figure">{figure}</strong>
          <span class="kept-percent">{percentOf(kept, loggedIn)}%</span>
        </p>
      )}
      <svg class="kept-bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <Bar segments={segments} total={loggedIn} />
      </svg>
      <ul class="kept-legend">
        {segments.map((segment) => (
          <li key={`${segment.kind}${segment.server}`} data-testid={segmentId(segment)}>
            {segment.kind === 'kept' ? (
              <span class="kept-mark" aria-hidden="true" />
            ) : (
              <Badge server={segment.server} />
            )}
            {describe(segment)}
          </li>
        ))}
      </ul>
    </div>
  )

  function describe({ kind, server, count }: KeptSegment): string {
    if (kind === 'kept') return words.t('keptBy', { n: count })
    return server === undefined
      ? words.t('lostUnknown', { n: count })
      : words.t('lostBy', { n: count, server })
  }
}

function segmentId({ kind, server }: KeptSegment): string {
  return kind === 'kept' ? 'kept-count' : `lost-by-${server ?? 'unknown'}`
}

function Bar({
  segments,
  total,
}: {
  readonly segments: readonly KeptSegment[]
  readonly total: number
}): VNode {
  let x = 0
  return (
    <>
      {segments.map(({ kind, server, count }) => {
        const from = x
        const width = (100 * count) / total
        x += width
        const look = kind === 'kept' ? 'bar-kept' : `bar-lost ${hueOf(server)}`
        return <rect key={`${kind}${server}`} class={look} x={from} width={width} height="10" />
      })}
    </>
  )
}
