/**
 * Session attributes: JSON values, frozen, and changed one by one so that parallel writers do not undo each other.
 *
 * @module
 */

/** The same type, read-only to its depth: what is read from a session cannot be changed in place. */
export type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
      : T

/** All attributes of a session by name. */
export type Attributes = Readonly<Record<string, unknown>>

/** One change to one attribute. `undefined` removes it. */
export type Change = { readonly key: string; readonly value: unknown } | Update

interface Update {
  readonly key: string
  /** Computes the value from the newest one. Called again when another writer came first: it has no effects. */
  readonly update: (value: unknown) => unknown
  /** Told what is about to be stored, each time that is tried. */
  readonly report: (before: unknown, after: unknown) => void
}

/** Reads an attribute; the value is frozen to its depth. */
export function readAttribute(attributes: Attributes, key: string): unknown {
  return Object.hasOwn(attributes, key) ? freeze(attributes[key]) : undefined
}

/**
 * Applies changes in their order to a copy. Attributes they do not name stay as they are.
 *
 * @param purpose `report` tells updates what they lead to, where that is going to be stored.
 */
export function applyChanges(
  attributes: Attributes,
  changes: readonly Change[],
  purpose?: 'report',
): Attributes {
  // An object without a prototype would cost three times as much to make and to write as JSON.
  const next: Record<string, unknown> = { ...attributes }
  for (const change of changes) {
    const { key } = change
    const value = 'update' in change ? runUpdate(change, next, purpose) : change.value
    if (value === undefined) delete next[key]
    else if (key === '__proto__') Object.defineProperty(next, key, { ...PLAIN, value })
    else next[key] = value
  }
  return next
}

/** Attributes as they will be, for reading: a change that fails is left to whoever commits it. */
export function previewChanges(attributes: Attributes, changes: readonly Change[]): Attributes {
  return changes.reduce((current, change) => {
    try {
      return applyChanges(current, [change])
    } catch {
      return current
    }
  }, attributes)
}

/**
 * Copies a value that is to be stored, so that later changes to the original do not reach the session.
 *
 * @throws {TypeError} when the value would not come back from JSON as it went: dates, maps, class instances, NaN, …
 */
export function snapshotValue(key: string, value: unknown): unknown {
  return copy(key, value, 0)
}

const MAX_DEPTH = 100

/** As an assignment makes a property, but where that would set the prototype. */
const PLAIN = { configurable: true, enumerable: true, writable: true } as const

function runUpdate(
  { key, update, report }: Update,
  attributes: Attributes,
  purpose: 'report' | undefined,
): unknown {
  const before = readAttribute(attributes, key)
  const value = update(before)
  if (value instanceof Promise) {
    value.catch(() => undefined)
    throw new TypeError(
      `Cannot update session attribute '${key}' by an async function: await what it needs first, then call update`,
    )
  }
  // What came frozen from the session and goes back unchanged needs no second copy.
  const after = value === before ? value : snapshotValue(key, value)
  if (purpose === 'report') report(before, after)
  return after
}

function copy(key: string, value: unknown, depth: number): unknown {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (value === undefined && depth === 0) return value
  if (typeof value !== 'object') throw unstorable(key, `${describe(value)} does not survive JSON`)
  if (depth > MAX_DEPTH) throw unstorable(key, 'it is nested too deeply or refers to itself')
  if (Array.isArray(value)) return Object.freeze(Array.from(value, (item) => copy(key, item, depth + 1)))
  if (isPlainObject(value)) return copyObject(key, value, depth)
  throw unstorable(key, `${describe(value)} does not survive JSON`)
}

function copyObject(key: string, value: object, depth: number): object {
  const present = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.freeze(Object.fromEntries(present.map(([name, item]) => [name, copy(key, item, depth + 1)])))
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function describe(value: unknown): string {
  if (value instanceof Date) return 'a Date (store its getTime() or toISOString())'
  if (value instanceof Map || value instanceof Set)
    return `a ${value.constructor.name} (store Array.from() of it)`
  if (typeof value === 'object' && value !== null)
    return `an instance of ${value.constructor?.name ?? 'a class without a name'}`
  return typeof value === 'number' ? String(value) : `a value of type ${typeof value}`
}

function unstorable(key: string, reason: string): TypeError {
  return new TypeError(`Cannot store session attribute '${key}' as ${reason}`)
}

function freeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (Array.isArray(value)) for (const item of value) freeze(item)
  else for (const name in value) freeze((value as Record<string, unknown>)[name])
  return Object.freeze(value)
}
