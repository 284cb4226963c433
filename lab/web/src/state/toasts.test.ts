import { describe, expect, it } from 'vitest'
import { createToasts } from './toasts.ts'

function createTrial() {
  const due: (() => void)[] = []
  const toasts = createToasts({ schedule: (callback) => due.push(callback) })
  const texts = (): string[] => toasts.list.value.map(({ text }) => text.en)
  return { toasts, texts, elapse: () => due.splice(0).forEach((callback) => callback()) }
}

const say = (text: string) => ({ en: text, ko: text })

describe('createToasts()', () => {
  it('lets news go by themselves, and errors stay', () => {
    const { toasts, texts, elapse } = createTrial()
    toasts.show('info', say('ready'))
    toasts.show('warning', say('killed'))
    toasts.show('error', say('refused'))

    elapse()

    expect(texts()).toEqual(['refused'])
  })

  it('takes away the one that was dismissed', () => {
    const { toasts, texts } = createTrial()
    toasts.show('error', say('one'))
    toasts.show('error', say('two'))

    toasts.dismiss(toasts.list.value[0]!.id)

    expect(texts()).toEqual(['two'])
  })

  it('never covers the page with more than four', () => {
    const { toasts, texts } = createTrial()

    for (const text of ['1', '2', '3', '4', '5']) toasts.show('error', say(text))

    expect(texts()).toEqual(['2', '3', '4', '5'])
  })
})
