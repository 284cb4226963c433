import { describe, expect, it } from 'vitest'
import { type MessageKey, messages } from './messages.ts'

const keys = Object.keys(messages.en) as MessageKey[]
const placeholders = (text: string): string[] =>
  [...text.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name).sort()

describe('messages', () => {
  it('has the same sentences in both languages', () => {
    expect(Object.keys(messages.ko).sort()).toEqual([...keys].sort())
  })

  it.each(keys)('says %s with the same fillings in both languages', (key) => {
    expect(placeholders(messages.ko[key])).toEqual(placeholders(messages.en[key]))
    expect(messages.en[key].trim()).not.toBe('')
    expect(messages.ko[key].trim()).not.toBe('')
  })
})
