import { describe, expect, it } from 'vitest'
import { createHearsay } from './hearsay.ts'

function createTrial() {
  let time = 0
  const hearsay = createHearsay<string>(3_000, () => time)
  return { hearsay, elapse: (milliseconds: number) => void (time += milliseconds) }
}

describe('createHearsay()', () => {
  it('tells what was heard last, until that is too old', () => {
    const { hearsay, elapse } = createTrial()
    hearsay.hear('before')
    elapse(2_000)
    hearsay.hear('after')

    elapse(2_999)
    const inTime = hearsay.latest()
    elapse(1)
    const tooLate = hearsay.latest()

    expect(inTime).toBe('after')
    expect(tooLate).toBeUndefined()
  })

  it('knows nothing before it has heard, nor after it has forgotten', () => {
    const { hearsay } = createTrial()

    const before = hearsay.latest()
    hearsay.hear('something')
    hearsay.forget()

    expect(before).toBeUndefined()
    expect(hearsay.latest()).toBeUndefined()
  })
})
