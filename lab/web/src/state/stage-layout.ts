/**
 * Geometry of the drawing browser → balancer → servers → store: wide from left to right, narrow from top to bottom.
 *
 * @module
 */

import type { RequestEntry } from '../../../fleet/protocol.ts'

/** A box, by its centre. */
export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** A cubic Bézier curve: start, two controls, end. */
export interface Curve {
  readonly from: Point
  readonly c1: Point
  readonly c2: Point
  readonly to: Point
}

/** A place, in pixels. */
export interface Point {
  readonly x: number
  readonly y: number
}

/** Where everything is, in pixels. */
export interface StageLayout {
  readonly width: number
  readonly height: number
  /** Least height that it needs. */
  readonly minHeight: number
  /** Left to right instead of top to bottom. */
  readonly wide: boolean
  readonly browser: Box
  readonly balancer: Box
  readonly servers: Readonly<Record<string, Box>>
  /** Absent when no store stands behind the servers. */
  readonly store: Box | undefined
  readonly entrance: Curve
  /** Balancer to server. */
  readonly lanes: Readonly<Record<string, Curve>>
  /** Server to store. */
  readonly shelves: Readonly<Record<string, Curve>>
}

/** Requests keep to one side of the line, answers to the other, like cars on a road. */
const LANE_OFFSET = 4

/** Height of a name in the box behind the servers. */
export const STORE_LINE = 17

const NARROW_STORE_TOP = 320

/** Part of the way out that lies before the balancer. */
const ENTRANCE_PART = 0.4

/** Width from which the drawing runs from left to right. */
export const WIDE_FROM = 560

/** The room that the drawing has, in pixels. */
export interface Room {
  readonly width: number
  /** Taken into account by the wide drawing only; the narrow one is as high as it needs. */
  readonly height: number
}

/**
 * Lays out the drawing for the room it has.
 *
 * @param storeLines Names that the box behind the servers has to hold; `undefined` when there is no such box.
 */
export function layOutStage(
  room: Room,
  serverIds: readonly string[],
  storeLines: number | undefined,
): StageLayout {
  const { width } = room
  const wide = width >= WIDE_FROM
  const count = Math.max(1, serverIds.length)
  const minHeight = wide ? minWideHeight(count, storeLines) : minNarrowHeight(storeLines)
  const height = wide ? Math.max(minHeight, room.height) : minHeight
  const boxes = wide ? placeWide(width, height, count, storeLines) : placeNarrow(width, count, storeLines)
  const servers = Object.fromEntries(serverIds.map((id, index) => [id, boxes.servers[index]!]))
  const curves = (join: (box: Box) => Curve): Record<string, Curve> =>
    Object.fromEntries(Object.entries(servers).map(([id, box]) => [id, join(box)]))
  const { browser, balancer, store } = boxes
  return {
    width,
    height,
    minHeight,
    wide,
    browser,
    balancer,
    servers,
    store,
    entrance: join(browser, balancer, wide),
    lanes: curves((box) => join(balancer, box, wide)),
    shelves: store ? curves((box) => join(box, store, wide)) : {},
  }
}

/** Where a request is after a part (0 to 1) of its way there and back; one without a server turns at the balancer. */
export function placeRequest(layout: StageLayout, entry: RequestEntry, progress: number): Point {
  const outward = 1 - Math.abs(1 - 2 * progress)
  const lane = entry.server === undefined ? undefined : layout.lanes[entry.server]
  const { x, y } = lane ? pointOnRoute(layout.entrance, lane, outward) : pointOn(layout.entrance, outward)
  const aside = progress < 0.5 ? -LANE_OFFSET : LANE_OFFSET
  return layout.wide ? { x, y: y + aside } : { x: x + aside, y }
}

/** Whether the balancer has chosen by then: before that a request belongs to no server. */
export function isRouted(progress: number): boolean {
  return progress >= ENTRANCE_PART / 2
}

/** A point of the curve, at 0 its start and at 1 its end. */
export function pointOn({ from, c1, c2, to }: Curve, t: number): Point {
  const s = 1 - t
  const mix = (a: number, b: number, c: number, d: number): number =>
    s * s * s * a + 3 * s * s * t * b + 3 * s * t * t * c + t * t * t * d
  return { x: mix(from.x, c1.x, c2.x, to.x), y: mix(from.y, c1.y, c2.y, to.y) }
}

/** The curve as SVG path data. */
export function pathOf({ from, c1, c2, to }: Curve): string {
  return `M${from.x} ${from.y}C${c1.x} ${c1.y} ${c2.x} ${c2.y} ${to.x} ${to.y}`
}

/** Names stand below each other in a wide drawing, and so many beside each other in a narrow one. */
export function storeColumns(lines: number, wide: boolean): number {
  return wide ? 1 : Math.min(3, lines)
}

function storeHeight(lines: number, wide: boolean): number {
  const rows = Math.ceil(lines / storeColumns(lines, wide))
  return wide ? Math.max(112, 72 + STORE_LINE * rows) : 60 + STORE_LINE * rows
}

function minWideHeight(count: number, storeLines: number | undefined): number {
  const store = storeLines === undefined ? 0 : storeHeight(storeLines, true) + 16
  return Math.max(232, count * 72 + 16, store)
}

function minNarrowHeight(storeLines: number | undefined): number {
  return storeLines === undefined ? 302 : NARROW_STORE_TOP + storeHeight(storeLines, false) + 4
}

interface Boxes {
  readonly browser: Box
  readonly balancer: Box
  readonly servers: readonly Box[]
  readonly store: Box | undefined
}

function placeWide(width: number, height: number, count: number, storeLines: number | undefined): Boxes {
  const withStore = storeLines !== undefined
  const middle = height / 2
  const edge = 52
  const right = width - edge - 6
  const serverX = withStore ? width * 0.65 : right - 16
  const gap = Math.min(110, (height - 8) / count)
  return {
    browser: { x: edge + 2, y: middle, width: 100, height: 84 },
    balancer: { x: withStore ? width * 0.34 : (edge + serverX) / 2 - 10, y: middle, width: 116, height: 84 },
    servers: Array.from({ length: count }, (_, index) => ({
      x: serverX,
      y: middle + gap * (index - (count - 1) / 2),
      width: 136,
      height: 60,
    })),
    store: withStore ? { x: right, y: middle, width: 112, height: storeHeight(storeLines, true) } : undefined,
  }
}

function placeNarrow(width: number, count: number, storeLines: number | undefined): Boxes {
  const middle = width / 2
  const gap = width / count
  return {
    browser: { x: middle, y: 38, width: 150, height: 68 },
    balancer: { x: middle, y: 146, width: 150, height: 68 },
    servers: Array.from({ length: count }, (_, index) => ({
      x: gap * (index + 0.5),
      y: 254,
      width: Math.min(124, gap - 8),
      height: 68,
    })),
    store: storeLines === undefined ? undefined : placeNarrowStore(width, storeLines),
  }
}

function placeNarrowStore(width: number, lines: number): Box {
  const height = storeHeight(lines, false)
  return {
    x: width / 2,
    y: NARROW_STORE_TOP + height / 2,
    width: Math.min(width - 8, storeColumns(lines, false) > 2 ? 300 : 220),
    height,
  }
}

function pointOnRoute(entrance: Curve, lane: Curve, part: number): Point {
  return part < ENTRANCE_PART
    ? pointOn(entrance, part / ENTRANCE_PART)
    : pointOn(lane, (part - ENTRANCE_PART) / (1 - ENTRANCE_PART))
}

/** A soft S from one box to the next, leaving and entering at the sides that face each other. */
function join(a: Box, b: Box, wide: boolean): Curve {
  if (wide) {
    const from = { x: a.x + a.width / 2, y: a.y }
    const to = { x: b.x - b.width / 2, y: b.y }
    const bend = (to.x - from.x) / 2
    return { from, c1: { x: from.x + bend, y: from.y }, c2: { x: to.x - bend, y: to.y }, to }
  }
  const from = { x: a.x, y: a.y + a.height / 2 }
  const to = { x: b.x, y: b.y - b.height / 2 }
  const bend = (to.y - from.y) / 2
  return { from, c1: { x: from.x, y: from.y + bend }, c2: { x: to.x, y: to.y - bend }, to }
}
