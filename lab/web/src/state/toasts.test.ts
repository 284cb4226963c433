import { describe, expect, it } from 'vitest'
import { createToasts } from './toasts.ts'

function createTrial() {
  const timers: { readonly callback: () => void; readonly dueAt: number }[] = []
  let time = 0
  const toasts = createToasts({
    schedule: (callback, delay) => timers.push({ callback, dueAt: time + delay }),
  })
  return {
    toasts,
    texts: (): string[] => toasts.list.value.map(({ text }) => text.en),
    elapse(milliseconds: number) {
      time += milliseconds
      for (const { callback, dueAt } of timers) if (dueAt <= time) callback()
    },
  }
}

const say = (text: string) => ({ en: text, ko: text })

describe('createToasts()', () => {
  it('lets news go by themselves', () => {
    const { toasts, texts, elapse } = createTrial()
    toasts.show('info', say('ready'))
    toasts.show('warning', say('killed'))

    elapse(6_999)
    const before = texts()
    elapse(1)

    expect(before).toEqual(['ready', 'killed'])
    expect(texts()).toEqual([])
  })

  it('covers nothing with an error for longer than 8 seconds', () => {
    const { toasts, texts, elapse } = createTrial()
    toasts.show('error', say('refused'))

    elapse(7_999)
    const before = texts()
    elapse(1)

    expect(before).toEqual(['refused'])
    expect(texts()).toEqual([])
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
