import { describe, expect, it } from 'vitest'
import {
  createTrial,
  createUser,
  createVisitor,
  type StoreCall,
  whoIs,
} from '../../test/support/session-trial.ts'

const isWrite = ({ method }: StoreCall): boolean => method === 'write'

describe('Session in a race with a store that answers too late', () => {
  it('keeps session and data when a rotation was stored but its answer was too late', async () => {
    const trial = createTrial({ storeTimeout: '20ms' })
    const browser = await createUser(trial, 'ada', { cart: ['coat'] })
    let late = true
    trial.store.intercept = async (call, next) => {
      const result = await next()
      return late && isWrite(call) ? new Promise(() => undefined) : result
    }

    const { session } = await browser.begin(trial.here)
    await expect(session.regenerate()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    late = false

    const after = await browser.begin(trial.there)
    expect(after.session.principal).toBe('ada')
    expect(after.session.get('cart')).toEqual(['coat'])
  })

  it('keeps the cart when a login was stored but its answer was too late', async () => {
    const trial = createTrial({ storeTimeout: '20ms' })
    const browser = await createVisitor(trial)
    let late = true
    trial.store.intercept = async (call, next) => {
      const result = await next()
      return late && isWrite(call) ? new Promise(() => undefined) : result
    }

    const { session } = await browser.begin(trial.here)
    await expect(session.login('ada')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    late = false
    await browser.visit(trial.there, (again) => again.login('ada'))

    const after = await browser.begin(trial.there)
    expect(after.session.principal).toBe('ada')
    expect(after.session.get('cart')).toEqual(['coat'])
    expect(await trial.there.of('ada').list()).toHaveLength(1)
  })

  it('finds the session of an old id again when ending it failed half-way', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const [listed] = await trial.here.of('ada').list()
    await browser.visit(trial.here, (session) => session.regenerate())
    let deletes = 0
    trial.store.intercept = async (call, next) => {
      if (call.method === 'delete' && ++deletes === 1) throw new Error('cut off')
      return next()
    }

    await expect(trial.here.revoke(listed?.handle ?? '')).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
    })
    const ended = await trial.here.revoke(listed?.handle ?? '')

    expect(ended).toBe(true)
    expect(await whoIs(trial.there, browser.id)).toBeUndefined()
  })
})
