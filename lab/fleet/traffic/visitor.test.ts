import { afterEach, describe, expect, it } from 'vitest'
import { type ShopFault, type StandInShop, startStandInShop } from '../../../test/support/stand-in-shop.ts'
import { createVisitor, type Visitor } from './visitor.ts'

let shop: StandInShop
let visitor: Visitor

afterEach(async () => {
  await visitor.close()
  await shop.close()
})

async function visit(fault?: ShopFault): Promise<void> {
  shop = await startStandInShop(fault)
  visitor = createVisitor(() => shop.url, { username: 'ada', timeout: 2_000 })
}

describe('createVisitor()', () => {
  it('is a stranger before and after, and known while logged in', async () => {
    await visit()

    const before = await visitor.me()
    await visitor.register()
    const meanwhile = await visitor.me()
    await visitor.logout()
    const after = await visitor.me()

    expect([before, meanwhile, after]).toEqual(['stranger', 'known', 'stranger'])
  })

  it('notes the server that acknowledged its login', async () => {
    await visit()

    await visitor.register()

    expect(visitor.loggedIn).toBe(true)
    expect(visitor.loginServer).toMatch(/^[ABC]$/)
  })

  it('finds that an acknowledged item is missing', async () => {
    await visit('lying')
    await visitor.register()

    for (let count = 0; count < 10; count++) await visitor.addItem()
    const { missing } = await visitor.cart()

    expect(visitor.items.size).toBe(10)
    expect(missing).toHaveLength(1)
  })

  it('expects nothing of a request that was not answered', async () => {
    await visit()
    await visitor.register()
    await shop.close()

    const { answer } = await visitor.addItem()

    expect(answer).toBeUndefined()
    expect(visitor.items.size).toBe(0)
  })

  it('finds items of somebody else in its cart', async () => {
    await visit()
    await visitor.register()
    await visitor.request('POST', '/cart', { body: { item: 'bob#1' } })

    const { foreign } = await visitor.cart()

    expect(foreign).toEqual(['bob#1'])
  })

  it('finds an item that is there twice', async () => {
    await visit()
    await visitor.register()
    await visitor.addItem()
    const [item] = visitor.items
    await visitor.request('POST', '/cart', { body: { item } })

    const { doubled } = await visitor.cart()

    expect(doubled).toEqual([item])
  })

  it('forgets its login when a repeated one gets no answer, as its cookie may have been replaced', async () => {
    await visit()
    await visitor.register()
    await shop.close()

    const acknowledged = await visitor.login()

    expect(acknowledged).toBe(false)
    expect(visitor.loggedIn).toBe(false)
  })
})
