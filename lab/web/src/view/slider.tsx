/**
 * A number, by slider or by keyboard.
 *
 * @module
 */

import type { VNode } from 'preact'
import { useState } from 'preact/hooks'

/** Properties of {@link Slider}. */
export interface SliderProps {
  readonly name: string
  readonly label: string
  /** Accessible name of the field beside the slider. */
  readonly exactLabel: string
  /** The value that holds. */
  readonly value: number
  readonly max: number
  /** Called when the person has chosen, not on the way there; resolves when the choice was answered. */
  readonly onCommit: (value: number) => Promise<void>
}

/** The value that holds arrives with the next state, at most a second after the answer. */
const SETTLE_TIME = 1_200

/** Draws slider and field. From the first movement until the choice holds, the older value does not pull it back. */
export function Slider({ name, label, exactLabel, value, max, onCommit }: SliderProps): VNode {
  const [draft, setDraft] = useState<number | undefined>(undefined)
  const shown = draft ?? value

  function commit(text: string): void {
    const chosen = Math.round(Number(text))
    if (text.trim() === '' || !(chosen >= 0 && chosen <= max)) {
      setDraft(undefined)
      return
    }
    setDraft(chosen)
    const letGo = (): void => setDraft((current) => (current === chosen ? undefined : current))
    void onCommit(chosen).then(() => setTimeout(letGo, SETTLE_TIME))
  }

  return (
    <div class="slider">
      <label for={`${name}-range`}>{label}</label>
      <input
        id={`${name}-range`}
        data-testid={`${name}-range`}
        type="range"
        min={0}
        max={max}
        step={5}
        value={shown}
        onInput={(event) => setDraft(event.currentTarget.valueAsNumber)}
        onChange={(event) => commit(event.currentTarget.value)}
      />
      <input
        data-testid={name}
        type="number"
        inputMode="numeric"
        aria-label={exactLabel}
        min={0}
        max={max}
        value={shown}
        onInput={(event) => setDraft(event.currentTarget.valueAsNumber || 0)}
        onChange={(event) => commit(event.currentTarget.value)}
      />
    </div>
  )
}
