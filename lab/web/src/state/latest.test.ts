import { describe, expect, it } from 'vitest'
import { createLatest } from './latest.ts'

interface Answer {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

function createTrial() {
  const sent: { readonly value: number; readonly answer: Answer }[] = []
  const latest = createLatest<number>((value) => {
    const answer = createAnswer()
    sent.push({ value, answer })
    return answer.promise
  })
  return { latest, sent, values: () => sent.map(({ value }) => value) }
}

/** An answer that the test gives when it wants to. */
function createAnswer(): Answer {
  let settle: Pick<Answer, 'resolve' | 'reject'> = { resolve() {}, reject() {} }
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, resolve: () => settle.resolve(), reject: (error) => settle.reject(error) }
}

describe('createLatest()', () => {
  it('sends the newest of the values that came while one was under way', async () => {
    const { latest, sent, values } = createTrial()
    const first = latest.set(1)
    void latest.set(2)
    void latest.set(3)

    sent[0]!.answer.resolve()
    await Promise.resolve()
    await Promise.resolve()
    sent[1]?.answer.resolve()
    await first

    expect(values()).toEqual([1, 3])
  })

  it('rejects when the newest value was refused, and goes on with the next', async () => {
    const { latest, sent, values } = createTrial()
    const refused = latest.set(1)
    sent[0]!.answer.reject(new Error('refused'))
    await expect(refused).rejects.toThrow('refused')

    const next = latest.set(2)
    sent[1]!.answer.resolve()
    await next

    expect(values()).toEqual([1, 2])
  })

  it('forgets the refusal of a value that was overtaken', async () => {
    const { latest, sent, values } = createTrial()
    const set = latest.set(1)
    void latest.set(2)

    sent[0]!.answer.reject(new Error('refused'))
    await Promise.resolve()
    await Promise.resolve()
    sent[1]?.answer.resolve()
    await set

    expect(values()).toEqual([1, 2])
  })
})
