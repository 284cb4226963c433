import { describe, expect, it } from 'vitest'
import { createWords, type LanguageMemory } from './words.ts'

function createMemory(
  remembered: string | null = null,
): LanguageMemory & { readonly values: Map<string, string> } {
  const values = new Map<string, string>()
  return {
    values,
    getItem: (key) => values.get(key) ?? remembered,
    setItem: (key, value) => void values.set(key, value),
  }
}

const refusing: LanguageMemory = {
  getItem() {
    throw new Error('refused')
  },
  setItem() {
    throw new Error('refused')
  },
}

describe('createWords()', () => {
  it('speaks the language of the browser at first', () => {
    expect(createWords(createMemory(), 'ko-KR').language.value).toBe('ko')
    expect(createWords(createMemory(), 'de-DE').language.value).toBe('en')
  })

  it('remembers the language that was chosen', () => {
    const memory = createMemory()
    createWords(memory, 'en-US').choose('ko')

    const next = createWords(memory, 'en-US')

    expect(next.language.value).toBe('ko')
  })

  it('ignores a remembered language that it does not speak', () => {
    expect(createWords(createMemory('xx'), 'ko').language.value).toBe('ko')
  })

  it('works where nothing can be remembered', () => {
    const words = createWords(refusing, 'en')

    words.choose('ko')

    expect(words.language.value).toBe('ko')
  })

  it('fills in and groups numbers', () => {
    const words = createWords(createMemory(), 'en')

    expect(words.t('keptFigure', { kept: 1_870, total: 2_000 })).toBe('1,870 of 2,000')
    expect(words.t('actionOn', { action: 'Kill', target: 'B' })).toBe('Kill B')
  })

  it('orders the words as Korean does', () => {
    const words = createWords(createMemory(), 'ko')

    expect(words.t('actionOn', { action: words.t('action.kill'), target: 'B' })).toBe('B 죽이기')
    expect(words.of({ en: 'yes', ko: '네' })).toBe('네')
  })
})
