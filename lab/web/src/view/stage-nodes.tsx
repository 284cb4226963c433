/**
 * The boxes of the drawing.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { ServerState } from '../../../fleet/protocol.ts'
import type { Box } from '../state/stage-layout.ts'
import { hueOf } from './badge.tsx'
import { usePage } from './page.ts'

/** Properties of {@link Node}. */
export interface NodeProps {
  readonly box: Box
  readonly title: string
  readonly children: string
  /** What of a session is in there; `undefined`: nothing. */
  readonly holds?: string | undefined
}

/** A box with a title and a line of text. */
export function Node({ box, title, holds, children }: NodeProps): VNode {
  return (
    <g class="node" transform={`translate(${box.x} ${box.y})`}>
      <NodeFrame box={box} />
      <text class="node-title" y="-5">
        {title}
      </text>
      <text class="node-text" y="15">
        {children}
      </text>
      <Holds box={box}>{holds}</Holds>
    </g>
  )
}

function NodeFrame({ box: { width, height } }: { readonly box: Box }): VNode {
  return <rect class="node-frame" x={-width / 2} y={-height / 2} width={width} height={height} rx="12" />
}

/** Properties of {@link ServerNode}. */
export interface ServerNodeProps {
  readonly server: ServerState
  readonly box: Box
  /** What of a session is in its memory; `undefined`: nothing. */
  readonly holds: string | undefined
  /** Of how many sessions it knows, in a word or two. */
  readonly children: string
}

/** A server: letter, colour, state, sessions. */
export function ServerNode({ server, box, holds, children }: ServerNodeProps): VNode {
  const { words } = usePage()
  const { id, status } = server
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
            y={beside ? 13 : 20}
          >
            {children}
          </text>
          <Holds box={box}>{status === 'stopped' ? undefined : holds}</Holds>
        </>
      )}
    </g>
  )
}

const LABEL_HEIGHT = 18

/** A label on the lower edge of a box: sessions, or copies of them, are in here. */
export function Holds({
  box,
  children,
}: {
  readonly box: Box
  readonly children: string | undefined
}): VNode | undefined {
  if (children === undefined) return undefined
  const width = textWidth(children) + 18
  const y = box.height / 2 + 2

  return (
    <g class="holds">
      <rect
        x={-width / 2}
        y={y - LABEL_HEIGHT / 2}
        width={width}
        height={LABEL_HEIGHT}
        rx={LABEL_HEIGHT / 2}
      />
      <text y={y + 3.8}>{children}</text>
    </g>
  )
}

/** About as wide as the text is drawn at the size of a label, in pixels: Hangul is square, Latin half of that. */
function textWidth(text: string): number {
  const square = text.match(/[\uAC00-\uD7A3]/g)?.length ?? 0
  return 10.5 * square + 6 * (text.length - square)
}
