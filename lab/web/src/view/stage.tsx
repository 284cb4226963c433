/**
 * The drawing: browsers, balancer, servers, store, and the requests on their way.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { EngineState, LabState, ServerState } from '../../../fleet/protocol.ts'
import { sessionHome } from '../state/home.ts'
import { type Box, layOutStage, pathOf, type StageLayout } from '../state/stage-layout.ts'
import { hueOf } from './badge.tsx'
import { Legend } from './legend.tsx'
import { usePage } from './page.ts'
import { useFlow } from './use-flow.ts'
import { useReducedMotion, useRoom } from './use-media.ts'

/** Draws the way of the requests for the width at hand. */
export function Stage({ state }: { readonly state: LabState }): VNode {
  const { words } = usePage()
  const [frame, room] = useRoom()
  const still = useReducedMotion()
  const home = sessionHome(state)
  const withStore = home === 'file' || state.engines.length > 0
  const layout = layOutStage(
    room,
    state.servers.map(({ id }) => id),
    withStore,
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
          <Node box={layout.browser} title={words.t('browser')}>
            {words.t('visitorsCount', { n: state.traffic.visitors })}
          </Node>
          <Node box={layout.balancer} title={words.t('balancer')}>
            {words.t(`routing.${state.routing}`)}
          </Node>
          {state.servers.map((server) => (
            <ServerNode key={server.id} server={server} box={layout.servers[server.id]!} />
          ))}
          {layout.store && <StoreNode box={layout.store} engines={state.engines} wide={layout.wide} />}
        </svg>
      </div>
      <Legend still={still} />
    </section>
  )
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
      {servers.map(({ id, status }) => {
        const shelf = layout.shelves[id]
        return shelf && <path key={id} d={pathOf(shelf)} class="shelf" data-broken={status === 'stopped'} />
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

interface NodeProps {
  readonly box: Box
  readonly title: string
  readonly children: string
}

function Node({ box, title, children }: NodeProps): VNode {
  return (
    <g class="node" transform={`translate(${box.x} ${box.y})`}>
      <NodeFrame box={box} />
      <text class="node-title" y="-5">
        {title}
      </text>
      <text class="node-text" y="15">
        {children}
      </text>
    </g>
  )
}

function NodeFrame({ box: { width, height } }: { readonly box: Box }): VNode {
  return <rect class="node-frame" x={-width / 2} y={-height / 2} width={width} height={height} rx="12" />
}

function ServerNode({ server, box }: { readonly server: ServerState; readonly box: Box }): VNode {
  const { words } = usePage()
  const { id, status, sessionCount } = server
  // In a narrow drawing many servers leave room for the letter only.
  const roomy = box.width > 84
  const letterX = roomy ? -box.width / 2 + 26 : 0
  const textX = -box.width / 2 + 50

  return (
    <g
      class={`node server-node ${hueOf(id)}`}
      data-status={status}
      data-testid={`stage-server-${id}`}
      transform={`translate(${box.x} ${box.y})`}
    >
      <NodeFrame box={box} />
      <circle cx={letterX} r="15" />
      <text class="node-letter" x={letterX} y="5.5">
        {id}
      </text>
      {roomy && (
        <>
          <text class="node-title start" x={textX} y="-4">
            {words.t(`status.${status}`)}
          </text>
          <text class="node-text start" x={textX} y="14">
            {words.t('sessions')} {words.n(sessionCount)}
          </text>
        </>
      )}
    </g>
  )
}

interface StoreNodeProps {
  readonly box: Box
  readonly engines: readonly EngineState[]
  /** Room for a line for each engine. */
  readonly wide: boolean
}

/** A drum: the file, or the back-end servers by name, struck out while they do not answer. */
function StoreNode({ box, engines, wide }: StoreNodeProps): VNode {
  const { words } = usePage()
  const { width, height } = box
  const [left, right, top, bottom] = [-width / 2, width / 2, -height / 2 + 9, height / 2 - 9]
  const down = engines.length > 0 && engines.every(({ status }) => status !== 'ready')
  const lines = storeLines(engines, wide, words.t('storeFile'))
  const titleY = 12 - lines.length * 7

  return (
    <g
      class="node store-node"
      data-down={down}
      data-testid="stage-store"
      transform={`translate(${box.x} ${box.y})`}
    >
      <path
        class="node-frame"
        d={`M${left} ${top}A${width / 2} 9 0 0 1 ${right} ${top}V${bottom}A${width / 2} 9 0 0 1 ${left} ${bottom}Z`}
      />
      <path class="node-rim" d={`M${left} ${top}A${width / 2} 9 0 0 0 ${right} ${top}`} />
      <text class="node-title" y={titleY}>
        {words.t('store')}
      </text>
      {lines.map(({ text, broken }, index) => (
        <text key={text} class="node-text" data-broken={broken} y={titleY + 16 + index * 14}>
          {text}
        </text>
      ))}
    </g>
  )
}

interface StoreLine {
  readonly text: string
  readonly broken: boolean
}

function storeLines(engines: readonly EngineState[], wide: boolean, file: string): readonly StoreLine[] {
  const ready = engines.filter(({ status }) => status === 'ready').length
  if (engines.length === 0) return [{ text: file, broken: false }]
  if (engines.length === 1 || (wide && engines.length <= 3)) {
    return engines.map(({ name, status }) => ({ text: name, broken: status !== 'ready' }))
  }
  const kinds = new Set(engines.map(({ name }) => name.replace(/-?\d+$/, '')))
  return [{ text: `${[...kinds].join(', ')} ${ready}/${engines.length}`, broken: ready === 0 }]
}
