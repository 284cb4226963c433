/**
 * The virtual visitors: how many, how busy, and how many are still known.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { TrafficState } from '../../../fleet/protocol.ts'
import { Kept } from './kept.tsx'
import { usePage } from './page.ts'
import { Slider } from './slider.tsx'

/** Most visitors that the page lets in. */
const VISITOR_LIMIT = 500

/** Most requests per second that the page asks for. */
const RATE_LIMIT = 500

/** Properties of {@link TrafficPanel}. */
export interface TrafficPanelProps {
  readonly strategy: string
  readonly traffic: TrafficState
}

/** Draws figures and sliders. */
export function TrafficPanel({ strategy, traffic }: TrafficPanelProps): VNode {
  const { lab, words } = usePage()
  const { visitors, rate, loggedIn, lost, crossUser, requests, failed } = traffic

  return (
    <section class="panel traffic" aria-labelledby="traffic-title" data-testid="traffic">
      <div class="panel-head">
        <h2 id="traffic-title">{words.t('traffic')}</h2>
        <p class="hint">{words.t(strategy === 'token' ? 'trafficHintToken' : 'trafficHint')}</p>
      </div>
      <Kept traffic={traffic} />
      <dl class="figures">
        <Figure id="logged-in" name={words.t('loggedIn')} value={loggedIn} />
        <Figure id="lost" name={words.t('lost')} value={lost} mark={lost > 0 ? 'warn' : ''} />
        <Figure
          id="cross-user"
          name={words.t('crossUser')}
          value={crossUser}
          mark={crossUser > 0 ? 'bad' : 'good'}
        />
        <Figure id="requests" name={words.t('requests')} value={requests} />
        <Figure id="failed" name={words.t('failed')} value={failed} mark={failed > 0 ? 'warn' : ''} />
      </dl>
      <div class="sliders">
        <Slider
          name="visitors"
          label={words.t('visitors')}
          exactLabel={words.t('visitorsExact')}
          value={visitors}
          max={VISITOR_LIMIT}
          onCommit={(value) => lab.setTraffic({ visitors: value })}
        />
        <Slider
          name="rate"
          label={words.t('rate')}
          exactLabel={words.t('rateExact')}
          value={rate}
          max={RATE_LIMIT}
          onCommit={(value) => lab.setTraffic({ rate: value })}
        />
      </div>
    </section>
  )
}

interface FigureProps {
  readonly id: string
  readonly name: string
  readonly value: number
  readonly mark?: string
}

function Figure({ id, name, value, mark = '' }: FigureProps): VNode {
  const { words } = usePage()

  return (
    <div>
      <dt>{name}</dt>
      <dd class={mark} data-testid={id} data-value={value}>
        {words.n(value)}
      </dd>
    </div>
  )
}
