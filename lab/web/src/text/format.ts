/**
 * Numbers, times and handles as people read them.
 *
 * @module
 */

/** Languages of the page. */
export type Language = 'en' | 'ko'

/** Groups thousands. */
export function formatNumber(value: number, language: Language): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(value)
}

/** Time of day with seconds, in 24 hours, in the reader's time zone unless another is given. */
export function formatTime(at: number, timeZone?: string): string {
  const options = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const
  return new Intl.DateTimeFormat('en-GB', timeZone ? { ...options, timeZone } : options).format(at)
}

/** A duration: `0.4 ms`, `12 ms`, `1.5 s`, `2 min 5 s`, with no-break spaces. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 9.95) return `${Number(milliseconds.toFixed(1))}\u00a0ms`
  if (milliseconds < 999.5) return `${Math.round(milliseconds)}\u00a0ms`
  if (milliseconds < 59_950) return `${Number((milliseconds / 1_000).toFixed(1))}\u00a0s`
  const seconds = Math.round(milliseconds / 1_000)
  return seconds % 60 === 0
    ? `${seconds / 60}\u00a0min`
    : `${Math.floor(seconds / 60)}\u00a0min\u00a0${seconds % 60}\u00a0s`
}

const BYTE_UNITS = ['B', 'KB', 'MB', 'GB'] as const

/** An amount of bytes: `812 B`, `1.2 KB`, `42 MB`, with a no-break space. A KB is 1,000 bytes. */
export function formatBytes(bytes: number): string {
  let [amount, unit] = [bytes, 0]
  // 999.5 would be written as 1000.
  while (amount >= 999.5 && unit < BYTE_UNITS.length - 1) {
    amount /= 1_000
    unit += 1
  }
  const digits = amount < 9.95 && unit > 0 ? 1 : 0
  return `${Number(amount.toFixed(digits))}\u00a0${BYTE_UNITS[unit]}`
}

/** The start of a handle, enough to tell sessions apart by eye. */
export function shortHandle(handle: string): string {
  return handle.slice(0, 8)
}

/** Whether two handles, of which either may be cut short, name the same session. */
export function isSameHandle(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined || a === '' || b === '') return false
  return a.startsWith(b) || b.startsWith(a)
}

/** Part of a whole in percent, never rounded up to 100 or down to 0: 199 of 200 is not all. */
export function percentOf(part: number, whole: number): number {
  if (whole <= 0) return 0
  const percent = (100 * part) / whole
  if (part > 0 && percent < 1) return 1
  return part < whole ? Math.floor(percent) : 100
}
