import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { shownHandle } from './session-handle.ts'

const id = 'Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyLV8'
const handle = createHash('sha256').update(id).digest('base64url')

describe('shownHandle()', () => {
  it.each([
    ['alone', `session=${id}`],
    ['among others', `theme=dark; session=${id}; affinity=abc`],
    ['with its prefix', `__Host-session=${id}`],
    ['with a version behind it', `session=${id}.k3f-9_; theme=dark`],
    ['in an answer', [`affinity=abc; Path=/`, `session=${id}; Path=/; HttpOnly`]],
  ])('finds a session cookie %s and shows the start of its handle', (_where, header) => {
    const shown = shownHandle(header)

    expect(shown).toBe(handle.slice(0, 8))
  })

  it.each([
    ['no header', undefined],
    ['an empty list', []],
    ['a cookie of another name', `xsession=${id}`],
    ['a cookie that was cleared', 'session=; Max-Age=0'],
    ['a value that is no session id', 'session=hello'],
    ['a value with two versions', `session=${id}.a.b`],
    ['a value that is too long', `session=${id}A`],
  ])('finds nothing in %s', (_what, header) => {
    const shown = shownHandle(header)

    expect(shown).toBeUndefined()
  })
})
