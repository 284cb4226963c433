/**
 * Moves the dots. They live outside of the component tree: seventy of them move sixty times a second.
 *
 * @module
 */

import type { RefObject } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { createFlow, type Flight } from '../state/flow.ts'
import { isRouted, placeRequest, type StageLayout } from '../state/stage-layout.ts'
import { hueOf } from './badge.tsx'
import { usePage } from './page.ts'

const SVG = 'http://www.w3.org/2000/svg'

/** Draws the requests of the fleet into the group that the returned reference is given to. */
export function useFlow(layout: StageLayout, still: boolean): RefObject<SVGGElement | null> {
  const { lab } = usePage()
  const group = useRef<SVGGElement>(null)
  const latest = useRef(layout)
  latest.current = layout

  useEffect(() => {
    if (still || !group.current) return undefined
    const flow = createFlow()
    const dots = createDots(group.current)
    let frame = 0

    function draw(now: number): void {
      const flights = flow.at(now)
      dots.draw(flights, latest.current)
      frame = flights.length > 0 ? requestAnimationFrame(draw) : 0
    }

    const unsubscribe = lab.onRequests((requests) => {
      // A hidden page gets no frames: what is not seen need not fly.
      if (document.hidden) return
      flow.add(requests, performance.now())
      if (frame === 0) frame = requestAnimationFrame(draw)
    })
    return () => {
      unsubscribe()
      cancelAnimationFrame(frame)
      dots.clear()
    }
  }, [lab, still])

  return group
}

interface Dots {
  draw(flights: readonly Flight[], layout: StageLayout): void
  clear(): void
}

function createDots(group: SVGGElement): Dots {
  const elements = new Map<number, SVGGElement>()

  return {
    draw(flights, layout) {
      const flying = new Set(flights.map(({ key }) => key))
      for (const [key, element] of elements) {
        if (flying.has(key)) continue
        element.remove()
        elements.delete(key)
      }
      for (const flight of flights) {
        let element = elements.get(flight.key)
        if (!element) {
          element = createDot()
          elements.set(flight.key, element)
          group.append(element)
        }
        place(element, flight, layout)
      }
    },
    clear() {
      elements.clear()
      group.replaceChildren()
    },
  }
}

/** Takes on the server's colour at the balancer; on the way back a ring for a new cookie, a cross for a failure. */
function place(element: SVGGElement, { entry, progress }: Flight, layout: StageLayout): void {
  const { x, y } = placeRequest(layout, entry, progress)
  const returning = progress > 0.5
  const failed = returning && (entry.status >= 500 || entry.status === 0)
  const hue = isRouted(progress) && entry.server !== undefined ? hueOf(entry.server) : ''
  const kind = `dot ${hue} ${returning && entry.sessionSet ? 'ringed' : ''} ${failed ? 'failed' : ''}`
  element.setAttribute('transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})`)
  if (element.getAttribute('class') !== kind) element.setAttribute('class', kind)
}

function createDot(): SVGGElement {
  const dot = document.createElementNS(SVG, 'g')
  dot.dataset['testid'] = 'dot'
  dot.append(shape('circle', { r: '4.5' }), shape('circle', { r: '7', class: 'ring' }))
  dot.append(shape('path', { d: 'M-4 -4L4 4M4 -4L-4 4', class: 'cross' }))
  return dot
}

function shape(name: string, attributes: Readonly<Record<string, string>>): SVGElement {
  const element = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  return element
}
