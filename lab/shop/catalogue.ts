/**
 * What the shop sells.
 *
 * @module
 */

import type { Language } from './preferences.ts'

/** Something to buy. */
export interface Product {
  /** What a cart holds. Also names the picture. */
  readonly id: string
  readonly name: Readonly<Record<Language, string>>
  /** Price in won. */
  readonly price: number
}

/** All products, in the order of the page. */
export const catalogue: readonly Product[] = [
  { id: 'trench-coat', name: { en: 'Trench coat', ko: '트렌치코트' }, price: 189_000 },
  { id: 'duffle-coat', name: { en: 'Duffle coat', ko: '더플코트' }, price: 229_000 },
  { id: 'raincoat', name: { en: 'Raincoat', ko: '우비' }, price: 79_000 },
  { id: 'fedora', name: { en: 'Fedora', ko: '페도라' }, price: 65_000 },
  { id: 'bucket-hat', name: { en: 'Bucket hat', ko: '버킷햇' }, price: 39_000 },
  { id: 'wool-beanie', name: { en: 'Wool beanie', ko: '울 비니' }, price: 29_000 },
  { id: 'long-umbrella', name: { en: 'Long umbrella', ko: '장우산' }, price: 45_000 },
  { id: 'folding-umbrella', name: { en: 'Folding umbrella', ko: '접이식 우산' }, price: 32_000 },
]

const productsById = new Map(catalogue.map((product) => [product.id, product]))

/** One line of a cart on a page. */
export interface CartLine {
  readonly item: string
  /** Product with this id; `undefined` when a client has sent some other text. */
  readonly product: Product | undefined
  readonly count: number
}

/** Gathers equal items into lines, in the order in which each was first added. */
export function summarizeCart(cart: readonly string[]): readonly CartLine[] {
  const counts = new Map<string, number>()
  for (const item of cart) counts.set(item, (counts.get(item) ?? 0) + 1)
  return [...counts].map(([item, count]) => ({ item, product: productsById.get(item), count }))
}
