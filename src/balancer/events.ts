/**
 * Typed events for one balancer.
 *
 * @module
 */

/** Events by name, with what each carries. */
export interface Events<Map> {
  /** Calls the listener with every event of that name; returns the function that ends it. */
  on<Name extends keyof Map>(name: Name, listener: (event: Map[Name]) => void): () => void
  /** Whether anybody listens, so that nobody describes events in vain. */
  has(name: keyof Map): boolean
  emit<Name extends keyof Map>(name: Name, event: Map[Name]): void
}

/** Creates an empty set of listeners. A listener that throws is a programming error: it ends the process. */
export function createEvents<Map>(): Events<Map> {
  const listeners: { [Name in keyof Map]?: Set<(event: Map[Name]) => void> } = {}

  return {
    on(name, listener) {
      // A function of its own, so that one listener registered twice is called and removed twice.
      const entry = (event: Map[typeof name]): void => listener(event)
      const set = (listeners[name] ??= new Set())
      set.add(entry)
      return () => set.delete(entry)
    },
    has(name) {
      return (listeners[name]?.size ?? 0) > 0
    },
    emit(name, event) {
      for (const listener of listeners[name] ?? []) listener(event)
    },
  }
}
