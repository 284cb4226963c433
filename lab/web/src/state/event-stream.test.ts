import { describe, expect, it } from 'vitest'
import type { LabEvent } from '../../../fleet/protocol.ts'
import { createState } from '../testing/entries.ts'
import { type Connection, createEventStream } from './event-stream.ts'

type Listener = (event: { readonly data?: unknown }) => void

/** A connection that the test speaks through. */
function createSource() {
  const listeners = new Map<string, Listener>()
  return {
    closed: false,
    addEventListener(type: string, listener: Listener) {
      listeners.set(type, listener)
    },
    close() {
      this.closed = true
    },
    say(event: LabEvent) {
      listeners.get(event.type)?.({ data: JSON.stringify(event) })
    },
    fail() {
      listeners.get('error')?.({})
    },
  }
}

function createTrial() {
  const sources: ReturnType<typeof createSource>[] = []
  const timers = new Set<{ readonly callback: () => void; readonly dueAt: number }>()
  const connections: Connection[] = []
  const events: LabEvent[] = []
  let now = 0
  const end = createEventStream({
    open() {
      const source = createSource()
      sources.push(source)
      return source
    },
    onEvent: (event) => events.push(event),
    onConnection: (connection) => connections.push(connection),
    schedule(callback, delay) {
      const timer = { callback, dueAt: now + delay }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  })
  return {
    sources,
    connections,
    events,
    end,
    elapse: (milliseconds: number): void => {
      now += milliseconds
      for (const timer of timers) {
        if (timer.dueAt > now || !timers.delete(timer)) continue
        timer.callback()
      }
    },
  }
}

const stateEvent: LabEvent = { type: 'state', state: createState() }

describe('createEventStream()', () => {
  it('passes events on and is open from the first of them', () => {
    const { sources, connections, events } = createTrial()

    sources[0]!.say(stateEvent)

    expect(events).toEqual([stateEvent])
    expect(connections).toEqual(['connecting', 'open'])
  })

  it('says that the connection is lost and opens a new one after a pause', () => {
    const { sources, connections, elapse } = createTrial()
    sources[0]!.say(stateEvent)

    sources[0]!.fail()
    elapse(999)
    const waiting = sources.length
    elapse(1)
    sources[1]?.say(stateEvent)

    expect(waiting).toBe(1)
    expect(sources[0]!.closed).toBe(true)
    expect(connections).toEqual(['connecting', 'open', 'lost', 'open'])
  })

  it('takes a long silence for a loss', () => {
    const { sources, connections, elapse } = createTrial()
    sources[0]!.say(stateEvent)

    elapse(4_999)
    sources[0]!.say(stateEvent)
    elapse(4_999)
    const before = connections.at(-1)
    elapse(1)

    expect(before).toBe('open')
    expect(connections.at(-1)).toBe('lost')
  })

  it('tries again when a connection never says anything', () => {
    const { sources, elapse } = createTrial()

    elapse(5_000)
    elapse(1_000)

    expect(sources).toHaveLength(2)
  })

  it('does not listen to a connection that it has given up', () => {
    const { sources, events, elapse, connections } = createTrial()
    sources[0]!.fail()
    elapse(1_000)

    sources[0]!.say(stateEvent)
    sources[0]!.fail()

    expect(events).toEqual([])
    expect(connections).toEqual(['connecting', 'lost'])
    expect(sources[1]!.closed).toBe(false)
  })

  it('opens nothing after its end', () => {
    const { sources, end, elapse } = createTrial()

    end()
    elapse(60_000)
    elapse(60_000)

    expect(sources).toHaveLength(1)
    expect(sources[0]!.closed).toBe(true)
  })
})
