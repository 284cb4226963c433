/**
 * The page's one object: what it knows, as signals, and what a person can do.
 *
 * @module
 */

import { computed, type ReadonlySignal, signal } from '@preact/signals'
import type {
  EngineAction,
  ExperimentResult,
  LabEvent,
  LabState,
  LabText,
  RequestEntry,
  RoutingName,
  ServerAction,
  TrafficSettings,
} from '../../../fleet/protocol.ts'
import { messages } from '../text/messages.ts'
import { type Control, ControlError } from './control.ts'
import type { Connection } from './event-stream.ts'
import { type FeedFilter, pauseFeed } from './feed.ts'
import { createLatest } from './latest.ts'
import { emptyModel, type LabModel, reduceLab } from './model.ts'
import type { Toasts } from './toasts.ts'

/** State and actions of the page. Actions never reject: what fails becomes a message on the page. */
export interface Lab {
  readonly model: ReadonlySignal<LabModel>
  /** `undefined` until the fleet has spoken. */
  readonly state: ReadonlySignal<LabState | undefined>
  readonly connection: ReadonlySignal<Connection>
  readonly toasts: Toasts
  readonly filter: ReadonlySignal<FeedFilter>
  /** Handle of the session that is highlighted everywhere. */
  readonly followed: ReadonlySignal<string | undefined>
  /** Latest result of each experiment, by its name. */
  readonly results: ReadonlySignal<Readonly<Record<string, ExperimentResult>>>
  /** Whether an action is under way: `strategy`, `servers/B`, `engines/redis-1`, `experiments/F1`. */
  isPending(key: string): boolean
  /** Takes an event of the fleet. */
  receive(event: LabEvent): void
  setConnection(connection: Connection): void
  /** Calls the listener with each batch of requests; returns what ends it. */
  onRequests(listener: (requests: readonly RequestEntry[]) => void): () => void
  pause(paused: boolean): void
  filterBy(filter: FeedFilter): void
  follow(handle: string | undefined): void
  switchStrategy(name: string, routing?: RoutingName): Promise<void>
  actOnServer(id: string, action: ServerAction): Promise<void>
  actOnEngine(name: string, action: EngineAction): Promise<void>
  /** Changes a part of the traffic. While one change is under way, only the newest of the same figure follows. */
  setTraffic(change: Partial<TrafficSettings>): Promise<void>
  runExperiment(name: string): Promise<void>
}

/** Options of {@link createLab}. */
export interface LabOptions {
  readonly toasts: Toasts
  /** Clock, in milliseconds. */
  readonly now: () => number
}

/** Creates the page's state on the controls of a fleet. */
export function createLab(control: Control, options: LabOptions): Lab {
  const { toasts, now } = options
  const model = signal<LabModel>(emptyModel)
  const connection = signal<Connection>('connecting')
  const filter = signal<FeedFilter>('all')
  const followed = signal<string | undefined>(undefined)
  const results = signal<Readonly<Record<string, ExperimentResult>>>({})
  const pending = signal<ReadonlySet<string>>(new Set())
  // One for each figure, as the fleet puts them together: what the page would add could be out of date.
  const visitors = createLatest<number>((wanted) => control.setTraffic({ visitors: wanted }))
  const rate = createLatest<number>((wanted) => control.setTraffic({ rate: wanted }))
  const listeners = new Set<(requests: readonly RequestEntry[]) => void>()

  function complain(error: unknown): void {
    toasts.show('error', textOf(error))
  }

  /** Runs one action at a time for each key: a second press while the first is under way does nothing. */
  async function attempt(key: string, action: () => Promise<void>): Promise<void> {
    if (pending.value.has(key)) return
    pending.value = new Set(pending.value).add(key)
    try {
      await action()
    } catch (error) {
      complain(error)
    } finally {
      const rest = new Set(pending.value)
      rest.delete(key)
      pending.value = rest
    }
  }

  return {
    model,
    state: computed(() => model.value.state),
    connection,
    toasts,
    filter,
    followed,
    results,
    isPending: (key) => pending.value.has(key),
    receive(event) {
      model.value = reduceLab(model.value, event, now())
      if (event.type === 'notice') toasts.show(event.level, event.text)
      if (event.type === 'requests') for (const listener of listeners) listener(event.requests)
    },
    setConnection(next) {
      connection.value = next
    },
    onRequests(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    pause(paused) {
      model.value = { ...model.value, feed: pauseFeed(model.value.feed, paused) }
    },
    filterBy(next) {
      filter.value = next
    },
    follow(handle) {
      followed.value = handle
    },
    switchStrategy: (name, routing) => attempt('strategy', () => control.switchStrategy(name, routing)),
    actOnServer: (id, action) => attempt(`servers/${id}`, () => control.actOnServer(id, action)),
    actOnEngine: (name, action) => attempt(`engines/${name}`, () => control.actOnEngine(name, action)),
    async setTraffic(change) {
      const changes: Promise<void>[] = []
      if (change.visitors !== undefined) changes.push(visitors.set(change.visitors))
      if (change.rate !== undefined) changes.push(rate.set(change.rate))
      await Promise.all(changes).catch(complain)
    },
    runExperiment: (name) =>
      attempt(`experiments/${name}`, async () => {
        const result = await control.runExperiment(name)
        results.value = { ...results.value, [name]: result }
      }),
  }
}

/** What the fleet says comes as it is, in its own language; only its silence is ours to tell. */
function textOf(error: unknown): LabText {
  if (error instanceof ControlError && error.status === undefined) {
    return { en: messages.en.noAnswer, ko: messages.ko.noAnswer }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { en: message, ko: message }
}
