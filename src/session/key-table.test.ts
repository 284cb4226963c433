import { describe, expect, it } from 'vitest'
import { createKeyTable } from './key-table.ts'

interface Entry {
  readonly key: string
  next: Entry | undefined
}

function entryOf(key: string): Entry {
  return { key, next: undefined }
}

describe('createKeyTable()', () => {
  it('finds what was added until it is deleted', () => {
    const table = createKeyTable<Entry>()
    const entry = entryOf('Kx7')

    table.add(entry)
    const found = table.get('Kx7')
    table.delete(entry)

    expect(found).toBe(entry)
    expect(table.get('Kx7')).toBeUndefined()
  })

  it.for([
    ['first', 0],
    ['middle', 1],
    ['last', 2],
  ] as const)('keeps the others of a bucket when the %s of it is deleted', ([, at]) => {
    const table = createKeyTable<Entry>()
    // Keys that begin alike share a bucket.
    const entries = ['Kx1', 'Kx2', 'Kx3'].map(entryOf)
    for (const entry of entries) table.add(entry)

    table.delete(entries[at] as Entry)

    expect(entries.map(({ key }) => table.get(key)?.key)).toEqual(
      entries.map(({ key }, place) => (place === at ? undefined : key)),
    )
  })

  it('forgets nobody else when what is not there is deleted', () => {
    const table = createKeyTable<Entry>()
    const entry = entryOf('Kx1')
    table.add(entry)

    table.delete(entryOf('Kx2'))

    expect(table.get('Kx1')).toBe(entry)
  })

  it.for(['', 'K', 'é€𝄞'])('takes any text as a key: %j', (key) => {
    const table = createKeyTable<Entry>()
    const entry = entryOf(key)

    table.add(entry)

    expect(table.get(key)).toBe(entry)
  })
})
