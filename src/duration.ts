/**
 * Durations as people write them.
 *
 * @module
 */

/** A duration: milliseconds, or a number with its unit: `'500ms'`, `'30s'`, `'30m'`, `'12h'`, `'40d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * Reads a duration option, in milliseconds.
 *
 * @throws {TypeError} when it is not written as a {@link Duration}.
 * @throws {RangeError} when it is not greater than zero, or not finite.
 */
export function readDuration(operation: string, option: string, value: Duration): number {
  const milliseconds = toMilliseconds(value)
  if (milliseconds === undefined) {
    throw new TypeError(
      `Cannot ${operation} as ${option} must be a number of milliseconds or a text like '30m': received ${JSON.stringify(value)}`,
    )
  }
  if (!(milliseconds > 0 && Number.isFinite(milliseconds))) {
    throw new RangeError(`Cannot ${operation} as ${option} must be > 0: received ${value}`)
  }
  return milliseconds
}

function toMilliseconds(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  const parts = typeof value === 'string' ? /^(-?\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value) : null
  return parts ? Number(parts[1]) * UNITS[parts[2] as keyof typeof UNITS] : undefined
}
