import { describe, expect, it } from 'vitest'
import { createReadBatch } from './read-batch.ts'

/** A back end that knows no key that begins with `no`, trips over `bad` ones, and notes what it was asked. */
function createBackEnd() {
  const questions: (readonly string[])[] = []
  return {
    questions,
    async fetch(keys: readonly string[]) {
      questions.push(keys)
      return (key: string, place: number) => {
        if (key.startsWith('bad')) throw new Error(`${key} is damaged`)
        return key.startsWith('no') ? undefined : `${keys[place]}!`
      }
    },
  }
}

describe('createReadBatch()', () => {
  it('asks once for what comes in one turn of the event loop, from several callbacks', async () => {
    const { questions, fetch } = createBackEnd()
    const read = createReadBatch(fetch)
    const answers: Promise<string | undefined>[] = []

    await new Promise<void>((resolve) => {
      for (const key of ['a', 'none', 'b']) process.nextTick(() => answers.push(read(key)))
      process.nextTick(resolve)
    })

    expect(await Promise.all(answers)).toEqual(['a!', undefined, 'b!'])
    expect(questions).toEqual([['a', 'none', 'b']])
  })

  it('asks once for a key that several callers want', async () => {
    const { questions, fetch } = createBackEnd()
    const read = createReadBatch(fetch)

    const answers = await Promise.all([read('a'), read('a'), read('b'), read('a')])

    expect(answers).toEqual(['a!', 'a!', 'b!', 'a!'])
    expect(questions).toEqual([['a', 'b']])
  })

  it('asks anew for a key whose question is under way, as its answer may be older than the call', async () => {
    const asked: string[] = []
    const answer: (() => void)[] = []
    const read = createReadBatch(async ([key = '']) => {
      const version = asked.push(key)
      await new Promise<void>((resolve) => answer.push(resolve))
      return () => version
    })
    const first = read('a')
    while (asked.length < 1) await new Promise(setImmediate)

    const second = read('a')
    while (asked.length < 2) await new Promise(setImmediate)
    for (const resolve of answer) resolve()

    expect(await Promise.all([first, second])).toEqual([1, 2])
  })

  it('splits what is more than the limit', async () => {
    const { questions, fetch } = createBackEnd()
    const read = createReadBatch(fetch, { limit: 2 })

    const answers = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(read))

    expect(answers).toEqual(['a!', 'b!', 'c!', 'd!', 'e!'])
    expect(questions).toEqual([['a', 'b'], ['c', 'd'], ['e']])
  })

  it('rejects the calls for a key whose answer cannot be read, and no others', async () => {
    const read = createReadBatch(createBackEnd().fetch)

    const results = await Promise.allSettled(['a', 'bad', 'bad', 'b'].map(read))

    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
    expect(results[1]).toMatchObject({ reason: { message: 'bad is damaged' } })
  })

  it('rejects the calls of a question that failed, and no others', async () => {
    const read = createReadBatch(
      async (keys) => {
        if (keys.includes('bad')) throw new Error('away')
        return (key) => key
      },
      { limit: 2 },
    )

    const results = await Promise.allSettled(['bad', 'unlucky', 'good'].map(read))

    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
    expect(await read('unlucky')).toBe('unlucky')
  })
})
