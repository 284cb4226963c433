import { describe, expect, it } from 'vitest'
import { ControlError, createControl } from './control.ts'

/** A control server that answers every call alike and notes what it was asked. */
function createTrial(answer: () => Response | Promise<Response>) {
  const calls: { readonly url: string; readonly method: string | undefined; readonly body: unknown }[] = []
  const control = createControl(async (url, init) => {
    calls.push({ url: url as string, method: init?.method, body: JSON.parse(init?.body as string) })
    return answer()
  })
  return { control, calls }
}

const done = (): Response => Response.json({})

describe('createControl()', () => {
  it('posts each action to its own address', async () => {
    const { control, calls } = createTrial(done)

    await control.switchStrategy('sqlite', 'p2c')
    await control.actOnServer('B', 'kill')
    await control.actOnEngine('redis-1', 'pause')
    await control.setTraffic({ visitors: 200, rate: 50 })

    expect(calls).toEqual([
      { url: '/api/strategy', method: 'POST', body: { name: 'sqlite', routing: 'p2c' } },
      { url: '/api/servers/B/kill', method: 'POST', body: {} },
      { url: '/api/engines/redis-1/pause', method: 'POST', body: {} },
      { url: '/api/traffic', method: 'POST', body: { visitors: 200, rate: 50 } },
    ])
  })

  it('leaves the routing to the strategy unless one was chosen', async () => {
    const { control, calls } = createTrial(done)

    await control.switchStrategy('sticky')

    expect(calls[0]?.body).toEqual({ name: 'sticky' })
  })

  it('resolves to the result of an experiment', async () => {
    const { control, calls } = createTrial(() => Response.json({ experiment: 'F1', met: true }))

    const result = await control.runExperiment('F1')

    expect(calls[0]?.url).toBe('/api/experiments/F1')
    expect(result).toMatchObject({ experiment: 'F1', met: true })
  })

  it('rejects with the reason that the fleet gives', async () => {
    const refusal = { error: { code: 'ERR_CONFLICT', message: 'Server B is not running' } }
    const { control } = createTrial(() => Response.json(refusal, { status: 409 }))

    const acted = control.actOnServer('B', 'pause')

    await expect(acted).rejects.toMatchObject({
      name: 'ControlError',
      message: 'Server B is not running',
      status: 409,
    })
  })

  it('rejects with the text of an error page that is not JSON', async () => {
    const { control } = createTrial(() => new Response('Bad gateway', { status: 502 }))

    await expect(control.actOnServer('B', 'pause')).rejects.toThrow('Bad gateway')
  })

  it('rejects with the status when nothing was said', async () => {
    const { control } = createTrial(() => new Response('', { status: 500 }))

    await expect(control.actOnServer('B', 'pause')).rejects.toThrow('HTTP 500')
  })

  it('rejects without a status when no answer came', async () => {
    const { control } = createTrial(() => Promise.reject(new TypeError('Failed to fetch')))

    const error: unknown = await control.actOnServer('B', 'pause').catch((error: unknown) => error)

    expect(error).toBeInstanceOf(ControlError)
    expect(error).toMatchObject({ status: undefined })
  })
})
