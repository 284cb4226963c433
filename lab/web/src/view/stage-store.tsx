/**
 * What stands behind the servers in the drawing.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { EngineState } from '../../../fleet/protocol.ts'
import type { BackKind } from '../state/home.ts'
import { type Box, STORE_LINE, storeColumns } from '../state/stage-layout.ts'
import { usePage } from './page.ts'
import { Holds } from './stage-nodes.tsx'

/** Properties of {@link StoreNode}. */
export interface StoreNodeProps {
  readonly box: Box
  readonly kind: BackKind
  readonly engines: readonly EngineState[]
  readonly wide: boolean
  /** What of a session is in there; `undefined`: nothing. */
  readonly holds: string | undefined
}

/** A drum: the file, or the back-end servers by name, struck out while they do not answer. */
export function StoreNode({ box, kind, engines, wide, holds }: StoreNodeProps): VNode {
  const { words } = usePage()
  const { width, height } = box
  const [left, right, top, bottom] = [-width / 2, width / 2, -height / 2 + 9, height / 2 - 9]
  const down = engines.length > 0 && engines.every(({ status }) => status !== 'ready')
  const lines = Math.max(1, engines.length)
  const rows = Math.ceil(lines / storeColumns(lines, wide))
  const titleY = 10 - (rows * STORE_LINE) / 2

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
        {words.t(`back.${kind}`)}
      </text>
      {engines.length === 0 && (
        <text class="node-text" y={titleY + STORE_LINE}>
          {words.t('storeFile')}
        </text>
      )}
      <EngineNames engines={engines} width={width} top={titleY + STORE_LINE + 2} wide={wide} />
      <Holds box={box}>{holds}</Holds>
    </g>
  )
}

interface EngineNamesProps {
  readonly engines: readonly EngineState[]
  readonly width: number
  /** Base line of the first row. */
  readonly top: number
  readonly wide: boolean
}

function EngineNames({ engines, width, top, wide }: EngineNamesProps): VNode {
  const columns = storeColumns(engines.length, wide)
  const longest = Math.max(...engines.map(({ name }) => name.length))
  // Centred as a block, so that the dots stand below each other.
  const indent = Math.max(16, (width / columns - longest * LETTER - DOT) / 2)

  return (
    <>
      {engines.map(({ name, status }, index) => {
        const x = -width / 2 + (width / columns) * (index % columns) + indent
        const y = top + STORE_LINE * Math.floor(index / columns)
        return (
          <g key={name} class="engine-name" data-status={status} transform={`translate(${x} ${y})`}>
            <circle cx="0" cy="-4" r="3.5" />
            <text class="node-text start" x={DOT} data-broken={status !== 'ready'}>
              {name}
            </text>
          </g>
        )
      })}
    </>
  )
}

/** Distance from dot to name, and about the width of a letter, in pixels. */
const DOT = 9
const LETTER = 6
