/**
 * The drawing: browsers, balancer, servers, store, and the requests on their way.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { LabState, ServerState } from '../../../fleet/protocol.ts'
import { backKind, heldByServers, isWithVisitor, type SessionHome, sessionHome } from '../state/home.ts'
import { type Curve, layOutStage, pathOf, pointOn, type StageLayout } from '../state/stage-layout.ts'
import type { Words } from '../text/words.ts'
import { hueOf } from './badge.tsx'
import { Legend } from './legend.tsx'
import { usePage } from './page.ts'
import { Node, ServerNode } from './stage-nodes.tsx'
import { StoreNode } from './stage-store.tsx'
import { useFlow } from './use-flow.ts'
import { useReducedMotion, useRoom } from './use-media.ts'

/** Draws the way of the requests for the width at hand. */
export function Stage({ state }: { readonly state: LabState }): VNode {
  const { words } = usePage()
  const [frame, room] = useRoom()
  const still = useReducedMotion()
  const home = sessionHome(state)
  const kind = backKind(home, state.engines)
  const holding = heldByServers(home)
  const layout = layOutStage(
    room,
    state.servers.map(({ id }) => id),
    kind && Math.max(1, state.engines.length),
  )
  const dots = useFlow(layout, still)

  return (
    <section class="panel stage" aria-labelledby="stage-title">
      <div class="panel-head">
        <h2 id="stage-title">{words.t('stage')}</h2>
        {home && (
          <p class="hint" data-testid="home">
            {words.t(`home.${home}`)}
          </p>
        )}
      </div>
      <div ref={frame} class="stage-frame" style={{ minHeight: `${layout.minHeight}px` }}>
        <svg width={layout.width} height={layout.height} role="img" aria-labelledby="stage-title">
          <Wires layout={layout} servers={state.servers} />
          <g ref={dots} class="dots" />
          <Node
            box={layout.browser}
            title={words.t('browser')}
            holds={
              isWithVisitor(home) ? words.t(home === 'token' ? 'holds.token' : 'holds.sessions') : undefined
            }
          >
            {words.t('visitorsCount', { n: state.traffic.visitors })}
          </Node>
          <Node box={layout.balancer} title={words.t('balancer')}>
            {words.t(`routing.${state.routing}`)}
          </Node>
          {state.servers.map((server) => (
            <ServerNode
              key={server.id}
              server={server}
              box={layout.servers[server.id]!}
              holds={holding && words.t(`holds.${holding}`)}
            >
              {countOf(server, home, words)}
            </ServerNode>
          ))}
          {layout.store && kind && (
            <StoreNode
              box={layout.store}
              kind={kind}
              engines={state.engines}
              wide={layout.wide}
              holds={kind === 'store' || kind === 'database' ? words.t('holds.sessions') : undefined}
            />
          )}
        </svg>
      </div>
      <Legend still={still} withCookies={!isWithVisitor(home)} />
    </section>
  )
}

/** With a store behind them, servers know which sessions they served, not how many there are. */
function countOf({ sessionCount }: ServerState, home: SessionHome | undefined, words: Words): string {
  if (isWithVisitor(home)) return words.t('nothingKept')
  return words.t(home === 'servers' ? 'sessionsCount' : 'servedCount', { n: sessionCount })
}

interface WiresProps {
  readonly layout: StageLayout
  readonly servers: readonly ServerState[]
}

/** Lines as thick as the traffic on them; broken where nothing can pass. */
function Wires({ layout, servers }: WiresProps): VNode {
  const total = servers.reduce((sum, server) => sum + server.requestsPerSecond, 0)
  const widthFor = (rate: number): number => 1.5 + Math.min(7, Math.sqrt(rate) * 0.8)

  return (
    <g class="wires">
      {servers.map((server) => {
        const shelf = layout.shelves[server.id]
        return shelf && <Shelf key={server.id} shelf={shelf} server={server} />
      })}
      <path d={pathOf(layout.entrance)} stroke-width={widthFor(total)} />
      {servers.map(({ id, status, healthy, requestsPerSecond }) => (
        <path
          key={id}
          d={pathOf(layout.lanes[id]!)}
          class={`lane ${hueOf(id)}`}
          data-broken={status === 'stopped' || !healthy}
          stroke-width={widthFor(requestsPerSecond)}
        />
      ))}
    </g>
  )
}

interface ShelfProps {
  readonly shelf: Curve
  readonly server: ServerState
}

/** The line from a server to its store. A sign in its middle says what is wrong with the network. */
function Shelf({ shelf, server: { id, status, link } }: ShelfProps): VNode {
  const { x, y } = pointOn(shelf, 0.5)

  return (
    <g data-testid={`stage-link-${id}`} data-link={link}>
      <path d={pathOf(shelf)} class="shelf" data-broken={status === 'stopped'} />
      {link === 'cut' && <path class="link-sign" d={`M${x - 6} ${y - 6}l12 12M${x + 6} ${y - 6}l-12 12`} />}
      {link === 'slow' && <path class="link-sign" d={`M${x} ${y - 4}v4l3 2M${x - 7} ${y}a7 7 0 1 1 0 .1`} />}
    </g>
  )
}
