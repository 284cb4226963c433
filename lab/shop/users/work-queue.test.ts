import { describe, expect, it } from 'vitest'
import { createWorkQueue } from './work-queue.ts'

describe('createWorkQueue()', () => {
  it('never runs more tasks at once than it may, and keeps their order', async () => {
    const queue = createWorkQueue(2)
    const started: number[] = []
    let running = 0
    let most = 0

    await Promise.all(
      [0, 1, 2, 3, 4, 5].map((task) =>
        queue(async () => {
          started.push(task)
          most = Math.max(most, ++running)
          await new Promise(setImmediate)
          running -= 1
        }),
      ),
    )

    expect(most).toBe(2)
    expect(started).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('goes on after a task that failed', async () => {
    const queue = createWorkQueue(1)

    const failed = queue(() => Promise.reject(new Error('no')))
    const next = queue(async () => 'done')

    await expect(failed).rejects.toThrow('no')
    expect(await next).toBe('done')
  })
})
