/**
 * What the page learns from the browser: sizes and wishes.
 *
 * @module
 */

import type { RefObject } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Room } from '../state/stage-layout.ts'

const REDUCED_MOTION = '(prefers-reduced-motion: reduce)'

/** The inner size of an element, kept up to date; a guess until it is known. */
export function useRoom(): [RefObject<HTMLDivElement | null>, Room] {
  const ref = useRef<HTMLDivElement>(null)
  const [room, setRoom] = useState<Room>({ width: 640, height: 232 })

  useLayoutEffect(() => {
    const element = ref.current
    if (!element) return undefined
    const observer = new ResizeObserver(([entry]) => {
      if (!entry) return
      const { width, height } = entry.contentRect
      setRoom({ width: Math.max(280, Math.floor(width)), height: Math.floor(height) })
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  return [ref, room]
}

/** Whether the reader asked for less motion. */
export function useReducedMotion(): boolean {
  const [reduced, setReduced] = useState(() => matchMedia(REDUCED_MOTION).matches)

  useLayoutEffect(() => {
    const query = matchMedia(REDUCED_MOTION)
    const listener = (): void => setReduced(query.matches)
    query.addEventListener('change', listener)
    return () => query.removeEventListener('change', listener)
  }, [])

  return reduced
}
