import { describe, expect, it } from 'vitest'
import { createWriteBatch } from './write-batch.ts'

/** A back end that answers each write, and notes what it was sent. */
function createBackEnd() {
  const sent: (readonly string[])[] = []
  return {
    sent,
    async send(writes: readonly string[]) {
      sent.push(writes)
      return writes.map((write) => (write.startsWith('bad') ? new Error(write) : `${write}!`))
    },
  }
}

describe('createWriteBatch()', () => {
  it('sends what comes in one turn of the event loop together, in its order and with an answer for each', async () => {
    const { sent, send } = createBackEnd()
    const write = createWriteBatch(send)
    const answers: Promise<string>[] = []

    await new Promise<void>((resolve) => {
      for (const value of ['b', 'a', 'b']) process.nextTick(() => answers.push(write(value)))
      process.nextTick(resolve)
    })

    expect(await Promise.all(answers)).toEqual(['b!', 'a!', 'b!'])
    expect(sent).toEqual([['b', 'a', 'b']])
  })

  it('rejects only the write that failed', async () => {
    const write = createWriteBatch(createBackEnd().send)

    const ended = await Promise.allSettled([write('a'), write('bad'), write('b')])

    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  it('rejects all writes of a round trip that failed', async () => {
    const write = createWriteBatch<string, string>(() => Promise.reject(new Error('away')))

    const ended = await Promise.allSettled([write('a'), write('b')])

    expect(ended.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })

  it('splits what is more than the limit', async () => {
    const { sent, send } = createBackEnd()
    const write = createWriteBatch(send, { limit: 2 })

    const answers = await Promise.all(['a', 'b', 'c'].map((value) => write(value)))

    expect(answers).toEqual(['a!', 'b!', 'c!'])
    expect(sent).toEqual([['a', 'b'], ['c']])
  })

  it('tells since when the first of them waits', async () => {
    let told = 0
    const write = createWriteBatch<string, string>(async (writes, since) => {
      told = since
      return [...writes]
    })

    const before = performance.now()
    const first = write('a')
    const after = performance.now()
    while (performance.now() - after < 5);
    await Promise.all([first, write('b')])

    expect(told).toBeGreaterThanOrEqual(before)
    expect(told).toBeLessThanOrEqual(after)
  })
})
