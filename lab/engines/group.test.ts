import { existsSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { describeWith } from '../../test/support/engines.ts'
import { createGroup } from './group.ts'
import { PortTakenError } from './ports.ts'
import { prepareRedisServer } from './redis-server.ts'
import { startRedis } from './redis.ts'

describeWith(['redis-server'], 'createGroup()', () => {
  it('takes nobody else for its engine who answers on its port', async () => {
    const other = await startRedis()
    onTestFinished(() => other.close())
    const port = other.engines[0]?.port ?? 0
    let folder = ''

    const group = createGroup({}, async (open) => {
      folder = open.folder
      await open.start(await prepareRedisServer(open.folder, { name: 'redis', port }))
      return {}
    })

    await expect(group).rejects.toThrow(PortTakenError)
    expect(folder).not.toBe('')
    expect(existsSync(folder)).toBe(false)
    expect(other.engines[0]?.status).toBe('ready')
  })
})

describe('createGroup()', () => {
  it('says what a program wrote when it failed, and leaves nothing behind', async () => {
    let folder = ''

    const group = createGroup({}, async (open) => {
      folder = open.folder
      await open.run('/bin/sh', ['-c', 'echo no luck >&2; exit 3'], undefined)
      return {}
    })

    await expect(group).rejects.toThrow('sh failed: no luck')
    expect(existsSync(folder)).toBe(false)
  })

  it('says so when there is no such program', async () => {
    const group = createGroup({}, async (open) => {
      await open.run('/nonexistent/initdb', [], undefined)
      return {}
    })

    await expect(group).rejects.toThrow('initdb')
  })
})
