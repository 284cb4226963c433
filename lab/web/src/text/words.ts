/**
 * The words of the page in the language that the reader chose, remembered for the next visit.
 *
 * @module
 */

import { type ReadonlySignal, signal } from '@preact/signals'
import type { LabText } from '../../../fleet/protocol.ts'
import { formatNumber, type Language } from './format.ts'
import { type MessageKey, messages } from './messages.ts'

/** Speaks to the reader. What is read in a component changes with the language. */
export interface Words {
  readonly language: ReadonlySignal<Language>
  choose(language: Language): void
  /** A sentence of the page, with `{name}` filled in; numbers are grouped. */
  t(key: MessageKey, values?: Readonly<Record<string, string | number>>): string
  /** A text of the fleet. */
  of(text: LabText): string
  n(value: number): string
}

/** Where the choice is remembered: the part of `localStorage` that is used. It may throw, as in a private window. */
export interface LanguageMemory {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

const MEMORY_KEY = 'coatcheck-lab.language'

/** Creates the words in the remembered language, else in the browser's. */
export function createWords(memory: LanguageMemory, browserLanguage: string): Words {
  const language = signal<Language>(recall(memory) ?? (browserLanguage.startsWith('ko') ? 'ko' : 'en'))

  return {
    language,
    choose(chosen) {
      language.value = chosen
      try {
        memory.setItem(MEMORY_KEY, chosen)
      } catch {
        // Storage is refused: the choice holds for this visit.
      }
    },
    t(key, values = {}) {
      const fill = (_: string, name: string): string => {
        const value = values[name]
        return typeof value === 'number' ? formatNumber(value, language.value) : (value ?? '')
      }
      return messages[language.value][key].replaceAll(/\{(\w+)\}/g, fill)
    },
    of(text) {
      return text[language.value]
    },
    n(value) {
      return formatNumber(value, language.value)
    },
  }
}

function recall(memory: LanguageMemory): Language | undefined {
  try {
    const remembered = memory.getItem(MEMORY_KEY)
    return remembered === 'en' || remembered === 'ko' ? remembered : undefined
  } catch {
    return undefined
  }
}
