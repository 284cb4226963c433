/**
 * The fleet of a lab in another process, as experiments want it.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet, LabEvent } from '../../lab/fleet/protocol.ts'
import type { Lab } from './lab.ts'

/** Connects to a lab over its control API. Closing it leaves the lab as it is. */
export async function connectFleet(lab: Lab): Promise<Fleet> {
  const listeners = new Set<(event: LabEvent) => void>()
  const ended = new AbortController()
  let state = await lab.state()

  async function command(path: string, body?: object): Promise<void> {
    await lab.call('POST', path, body)
    state = await lab.state()
  }

  async function listen(): Promise<void> {
    const response = await fetch(new URL('/api/events', lab.control), { signal: ended.signal })
    for await (const event of readEvents(response)) {
      if (event.type === 'state') state = event.state
      for (const listener of listeners) listener(event)
    }
  }

  const listening = listen().catch(() => {})

  return {
    shop: lab.shop,
    get strategy() {
      return state.strategy
    },
    state: () => state,
    act: (serverId, action, fault) => command(`/api/servers/${serverId}/${action}`, fault),
    actOnEngine: (name, action) => command(`/api/engines/${name}/${action}`),
    async switchStrategy(name, routing) {
      await command('/api/strategy', { name, routing })
      while (state.switching) await delay(20)
    },
    setTraffic(traffic) {
      void command('/api/traffic', traffic)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      ended.abort()
      await listening
    },
  }
}

/** Reads server-sent events: blocks of lines, of which `data:` carries the event. */
async function* readEvents(response: Response): AsyncGenerator<LabEvent> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const data = /^data: ?(.*)$/m.exec(block)?.[1]
      if (data) yield JSON.parse(data) as LabEvent
    }
  }
}
