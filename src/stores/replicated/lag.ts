/**
 * How long after its acknowledgement an entry of this process comes back by the watch.
 *
 * @module
 */

/** Lags of the newest entries, in milliseconds. */
export interface Lags {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Measures lags. */
export interface LagMeter {
  /** An entry of this process was acknowledged with this revision. */
  acknowledged(revision: number): void
  /** The watch has come to this revision. */
  delivered(revision: number): void
  /** What was measured lately; zeros when nothing was. `max` is of the whole time. */
  read(): Lags
}

const SAMPLES = 1_024
/** Entries under way; more than that were lost with their watch. */
const MAX_PENDING = 4_096

/** Creates a meter with a monotonic clock in milliseconds. */
export function createLagMeter(monotonic: () => number): LagMeter {
  const samples = new Float64Array(SAMPLES)
  const pending = new Map<number, number>()
  let position = 0
  let count = 0
  let max = 0

  function add(lag: number): void {
    samples[count++ % SAMPLES] = lag
    max = Math.max(max, lag)
  }

  return {
    acknowledged(revision) {
      if (revision <= position) return add(0)
      if (pending.size >= MAX_PENDING) pending.clear()
      pending.set(revision, monotonic())
    },
    delivered(revision) {
      position = revision
      if (pending.size === 0) return
      const at = pending.get(revision)
      if (at === undefined) return
      pending.delete(revision)
      add(monotonic() - at)
    },
    read() {
      const sorted = samples.slice(0, Math.min(count, SAMPLES)).sort()
      const at = (share: number) =>
        sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
      return { p50: at(0.5), p99: at(0.99), max }
    },
  }
}
