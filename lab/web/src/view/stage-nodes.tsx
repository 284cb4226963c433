/**
 * The boxes of the drawing.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { EngineState, ServerState } from '../../../fleet/protocol.ts'
import type { Box } from '../state/stage-layout.ts'
import { hueOf } from './badge.tsx'
import { usePage } from './page.ts'

/** Properties of {@link Node}. */
export interface NodeProps {
  readonly box: Box
  readonly title: string
  readonly children: string
}

/** A box with a title and a line of text. */
export function Node({ box, title, children }: NodeProps): VNode {
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

/** A server: letter, colour, state, sessions. */
export function ServerNode({ server, box }: { readonly server: ServerState; readonly box: Box }): VNode {
  const { words } = usePage()
  const { id, status, sessionCount } = server
  const left = -box.width / 2
  // Beside the letter, under it, or not at all: many servers in a narrow drawing leave room for the letter only.
  const [look, letter] =
    box.width >= 132
      ? (['beside', { x: left + 26, y: 0, r: 15 }] as const)
      : box.width > 84
        ? (['under', { x: left + 20, y: -12, r: 12 }] as const)
        : (['alone', { x: 0, y: 0, r: 15 }] as const)
  const beside = look === 'beside'

  return (
    <g
      class={`node server-node ${hueOf(id)}`}
      data-status={status}
      data-testid={`stage-server-${id}`}
      transform={`translate(${box.x} ${box.y})`}
    >
      <NodeFrame box={box} />
      <circle cx={letter.x} cy={letter.y} r={letter.r} />
      <text class="node-letter" x={letter.x} y={letter.y + 5.5}>
        {id}
      </text>
      {look !== 'alone' && (
        <>
          <text
            class="node-title start"
            x={letter.x + letter.r + (beside ? 9 : 6)}
            y={letter.y + (beside ? -4 : 5)}
          >
            {words.t(`status.${status}`)}
          </text>
          <text
            class={beside ? 'node-text start' : 'node-text'}
            x={beside ? left + 50 : 0}
            y={beside ? 14 : 22}
          >
            {words.t('sessions')} {words.n(sessionCount)}
          </text>
        </>
      )}
    </g>
  )
}

/** Properties of {@link StoreNode}. */
export interface StoreNodeProps {
  readonly box: Box
  readonly engines: readonly EngineState[]
  /** Room for a line for each engine. */
  readonly wide: boolean
}

/** A drum: the file, or the back-end servers by name, struck out while they do not answer. */
export function StoreNode({ box, engines, wide }: StoreNodeProps): VNode {
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
