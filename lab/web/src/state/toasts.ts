/**
 * Short messages over the page: they leave by themselves, as they cover what is below, errors last.
 *
 * @module
 */

import { type ReadonlySignal, signal } from '@preact/signals'
import type { LabText } from '../../../fleet/protocol.ts'

/** One message. */
export interface Toast {
  readonly id: number
  readonly level: 'info' | 'warning' | 'error'
  readonly text: LabText
}

/** The messages on the page, newest last, at most four. */
export interface Toasts {
  readonly list: ReadonlySignal<readonly Toast[]>
  show(level: Toast['level'], text: LabText): void
  dismiss(id: number): void
}

/** Options of {@link createToasts}. */
export interface ToastsOptions {
  /** Calls back once after a delay, in milliseconds. */
  readonly schedule: (callback: () => void, delay: number) => unknown
  /**
   * How long news stay, in milliseconds.
   *
   * @default 7000
   */
  readonly lifetime?: number
  /**
   * How long errors stay, in milliseconds. They were read out when they came, so none is lost on those who listen.
   *
   * @default 8000
   */
  readonly errorLifetime?: number
}

const TOAST_LIMIT = 4

/** Creates an empty list of messages. */
export function createToasts(options: ToastsOptions): Toasts {
  const { schedule, lifetime = 7_000, errorLifetime = 8_000 } = options
  const list = signal<readonly Toast[]>([])
  let count = 0

  function dismiss(id: number): void {
    list.value = list.value.filter((toast) => toast.id !== id)
  }

  return {
    list,
    show(level, text) {
      const id = ++count
      list.value = [...list.value, { id, level, text }].slice(-TOAST_LIMIT)
      schedule(() => dismiss(id), level === 'error' ? errorLifetime : lifetime)
    },
    dismiss,
  }
}
