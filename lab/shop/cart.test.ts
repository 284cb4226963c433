import { describe, expect, it } from 'vitest'
import { addItem, CART_LENGTH_LIMIT, CART_LIMIT, removeItem } from './cart.ts'

const full = expect.objectContaining({ code: 'ERR_CART_FULL', status: 400 })

describe('addItem()', () => {
  it('fills a cart to its last place and no further', () => {
    const nearlyFull = Array<string>(CART_LIMIT - 1).fill('fedora')

    const cart = addItem(nearlyFull, 'raincoat')

    expect(cart).toHaveLength(CART_LIMIT)
    expect(cart.at(-1)).toBe('raincoat')
    expect(() => addItem(cart, 'raincoat')).toThrow(full)
  })

  it('counts what an item takes when it is stored, quotes being stored as two characters', () => {
    const quotes = '"'.repeat(200)
    let cart: readonly string[] = []

    const fill = () => {
      while (cart.length < CART_LIMIT) cart = addItem(cart, quotes)
    }

    expect(fill).toThrow(full)
    expect(JSON.stringify(cart).length).toBeGreaterThan(CART_LENGTH_LIMIT - 500)
    expect(JSON.stringify(cart).length).toBeLessThanOrEqual(CART_LENGTH_LIMIT)
  })
})

describe('removeItem()', () => {
  it('takes out one of several, and nothing when there is none', () => {
    const cart = ['fedora', 'raincoat', 'fedora']

    expect(removeItem(cart, 'fedora')).toEqual(['fedora', 'raincoat'])
    expect(removeItem(cart, 'beanie')).toBe(cart)
  })
})
