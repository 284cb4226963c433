/**
 * Visits to the shop of a lab without a browser, each in a request of its own.
 *
 * @module
 */

import { expect, vi } from 'vitest'

/** Registers somebody new. Resolves to the `Cookie` header that knows them. */
export async function register(shop: string): Promise<string> {
  // Clients take a moment to find an engine that has just come back.
  const response = await vi.waitFor(async () => {
    const answer = await fetch(`${shop}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        username: `ada-${Math.random().toString(36).slice(2)}`,
        password: 'analytical engine',
      }),
    })
    expect(answer.status).toBe(200)
    return answer
  }, 5_000)
  return response.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ')
}

/** Asks the shop so many times, one after the other, who the visitor is. Resolves to who answered, and how. */
export async function visit(
  shop: string,
  cookie: string,
  times: number,
): Promise<readonly (readonly [server: string, status: number])[]> {
  const answers: (readonly [string, number])[] = []
  for (let request = 0; request < times; request++) {
    const response = await fetch(`${shop}/me`, { headers: { cookie } })
    await response.arrayBuffer()
    answers.push([response.headers.get('x-served-by') ?? '', response.status])
  }
  return answers
}
