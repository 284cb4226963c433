import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../', import.meta.url))

/** Paths that a column names. */
function pathsIn(cell: string): string[] {
  return [...cell.matchAll(/`((?:src|test|lab)\/[^`]+\.tsx?)`/g)].map(([, path = '']) => path)
}

/** `file`: title, as often as a column has it. */
function claimsIn(cell: string): { path: string; title: string }[] {
  return cell.split(' · ').flatMap((claim) => {
    const [, path, title] = /^(?:example: )?`([^`]+)`: (.+)$/.exec(claim.trim()) ?? []
    return path === undefined || title === undefined ? [] : [{ path, title: title.trim() }]
  })
}

describe('SECURITY.md', async () => {
  const text = await readFile(`${root}SECURITY.md`, 'utf8')
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| -'))
    .map((line) => line.split(/(?<!\\)\|/).slice(1, -1))
  const claims = rows.flatMap((cells) => claimsIn(cells[2] ?? ''))

  it('names files that there are', () => {
    const missing = rows
      .flat()
      .flatMap(pathsIn)
      .filter((path) => !existsSync(root + path))

    expect(missing).toEqual([])
  })

  it('names the file of every test', () => {
    const cells = rows.map(([, , cell = '']) => cell.trim()).filter((cell) => cell !== '' && cell !== 'test')

    expect(cells.filter((cell) => !/^-+$|^(example: )?`[^`]+\.ts`: /.test(cell))).toEqual([])
    expect(claims.length).toBeGreaterThan(100)
  })

  it('names tests by titles that they have', async () => {
    const missing = []
    for (const { path, title } of claims) {
      const source = (await readFile(root + path, 'utf8')).replaceAll("\\'", "'")
      if (!source.includes(title)) missing.push(`${path}: ${title}`)
    }

    expect(missing).toEqual([])
  })
})
