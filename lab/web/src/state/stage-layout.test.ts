import { describe, expect, it } from 'vitest'
import { createEntry } from '../testing/entries.ts'
import {
  type Box,
  layOutStage,
  placeRequest,
  pointOn,
  type StageLayout,
  STORE_LINE,
  WIDE_FROM,
} from './stage-layout.ts'

const boxesOf = (layout: StageLayout): Box[] =>
  [layout.browser, layout.balancer, ...Object.values(layout.servers), layout.store].filter(
    (box) => box !== undefined,
  )

const overlap = (a: Box, b: Box): boolean =>
  Math.abs(a.x - b.x) < (a.width + b.width) / 2 && Math.abs(a.y - b.y) < (a.height + b.height) / 2

const rooms = [280, 320, 388, WIDE_FROM - 1, WIDE_FROM, 700, 1_200].flatMap((width) =>
  [1, 3, 5].flatMap((count) => [undefined, 1, 2, 6].map((lines) => ({ width, count, lines }))),
)

describe('layOutStage()', () => {
  it.each(rooms)(
    'keeps every box inside and apart: $width px, $count servers, $lines lines in the store',
    (room) => {
      const ids = ['A', 'B', 'C', 'D', 'E'].slice(0, room.count)

      const layout = layOutStage({ width: room.width, height: 232 }, ids, room.lines)

      const boxes = boxesOf(layout)
      for (const { x, y, width, height } of boxes) {
        expect(x - width / 2).toBeGreaterThanOrEqual(0)
        expect(x + width / 2).toBeLessThanOrEqual(layout.width)
        expect(y - height / 2).toBeGreaterThanOrEqual(0)
        expect(y + height / 2).toBeLessThanOrEqual(layout.height)
      }
      const pairs = boxes.flatMap((a, index) => boxes.slice(index + 1).map((b) => [a, b] as const))
      expect(pairs.filter(([a, b]) => overlap(a, b))).toEqual([])
    },
  )

  it('draws no store where there is none', () => {
    const layout = layOutStage({ width: 800, height: 0 }, ['A'], undefined)

    expect(layout.store).toBeUndefined()
    expect(layout.shelves).toEqual({})
  })

  it.each([
    [1_200, 1],
    [388, 3],
  ])('lets the store grow with the names in it: %i px, %i beside each other', (width, beside) => {
    const heights = [3, 6].map((lines) => layOutStage({ width, height: 0 }, ['A'], lines).store?.height ?? 0)

    expect((heights[1] ?? 0) - (heights[0] ?? 0)).toBe((3 / beside) * STORE_LINE)
  })

  it('uses the height that it is given when it is wide', () => {
    expect(layOutStage({ width: 800, height: 400 }, ['A'], undefined).height).toBe(400)
    expect(layOutStage({ width: 400, height: 900 }, ['A'], undefined).height).toBe(302)
  })
})

describe('placeRequest()', () => {
  const layout = layOutStage({ width: 800, height: 300 }, ['A', 'B'], undefined)
  const { entrance, lanes } = layout

  it('goes to the server that answered and back again', () => {
    const entry = createEntry({ server: 'B' })

    const [start, middle, end] = [0, 0.5, 1].map((progress) => placeRequest(layout, entry, progress).x)

    expect(start).toBeCloseTo(entrance.from.x)
    expect(middle).toBeCloseTo(lanes['B']!.to.x)
    expect(end).toBeCloseTo(entrance.from.x)
  })

  it('turns at the balancer when no server answered', () => {
    const entry = createEntry({ server: undefined })

    const { x } = placeRequest(layout, entry, 0.5)

    expect(x).toBeCloseTo(entrance.to.x)
  })

  it('turns at the balancer when the server is no longer drawn', () => {
    const { x } = placeRequest(layout, createEntry({ server: 'Z' }), 0.5)

    expect(x).toBeCloseTo(entrance.to.x)
  })

  it('keeps requests and answers apart', () => {
    const entry = createEntry({ server: 'A' })

    const out = placeRequest(layout, entry, 0.1)
    const back = placeRequest(layout, entry, 0.9)

    expect(out.x).toBeCloseTo(back.x)
    expect(out.y).toBeLessThan(back.y)
  })
})

describe('pointOn()', () => {
  it('runs from the start of the curve to its end', () => {
    const curve = { from: { x: 0, y: 0 }, c1: { x: 5, y: 0 }, c2: { x: 5, y: 8 }, to: { x: 10, y: 8 } }

    const points = [0, 0.5, 1].map((t) => pointOn(curve, t))

    expect(points).toEqual([
      { x: 0, y: 0 },
      { x: 5, y: 4 },
      { x: 10, y: 8 },
    ])
  })
})
