import { describe, expect, it } from 'vitest'
import { startShop } from '../testing/shop-trial.ts'

describe('createCartRoutes()', () => {
  it('loses no item of parallel additions, and removes one at a time', async () => {
    const { open } = await startShop()
    const browser = open()
    await browser.get('/')

    await Promise.all(
      Array.from({ length: 30 }, (_, index) => browser.post('/cart', { item: `item ${index % 3}` })),
    )
    const removed = await browser.post('/cart/remove', { item: 'item 0' })

    const { cart } = (await removed.json()) as { cart: string[] }
    expect(cart).toHaveLength(29)
    expect(cart.filter((item) => item === 'item 0')).toHaveLength(9)
  })

  it('says that nothing was added when the session is ended meanwhile', async () => {
    const { open, store } = await startShop()
    const browser = open()
    await browser.get('/')
    store.beforeWrite = (key) => store.delete(key)

    const answer = await browser.post('/cart', { item: 'fedora' })

    expect(answer.status).toBe(409)
    expect(await answer.json()).toMatchObject({ error: { code: 'ERR_SESSION_ENDED' } })
    expect(browser.session).toBeUndefined()
  })

  it('keeps a full cart as it is and says so', { timeout: 60_000 }, async () => {
    const { open } = await startShop()
    const browser = open()
    await browser.get('/')
    for (let batch = 0; batch < 10; batch += 1) {
      await Promise.all(Array.from({ length: 100 }, () => browser.post('/cart', { item: 'fedora' })))
    }

    const refused = await browser.post('/cart', { item: 'raincoat' })

    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ error: { code: 'ERR_CART_FULL' } })
    const { cart } = (await (await browser.get('/cart')).json()) as { cart: string[] }
    expect(cart).toEqual(Array<string>(1_000).fill('fedora'))
  })
})
