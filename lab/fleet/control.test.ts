import { request } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type ControlOptions, createControl } from './control.ts'
import type { Experiment, ExperimentOptions } from './experiments/registry.ts'
import type { ExperimentResult, Fleet, LabEvent } from './protocol.ts'

/** A fleet that remembers what it was told; the real one is driven by the tests of the system. */
async function createTrial(options: ControlOptions = {}) {
  const orders: string[] = []
  const listeners = new Set<(event: LabEvent) => void>()
  const fleet = {
    state: () => ({ strategy: 'memory', engines: [] }),
    act: async (id: string, action: string, fault: object) => {
      orders.push([id, action, ...Object.values(fault)].join(' '))
    },
    actOnEngine: async (name: string, action: string) => void orders.push(`engine ${name} ${action}`),
    setTraffic: (settings: object) => void orders.push(JSON.stringify(settings)),
    subscribe(listener: (event: LabEvent) => void) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  } as unknown as Fleet
  const control = await createControl(fleet, options)
  onTestFinished(() => control.close())
  const post = (path: string, body: object = {}) =>
    fetch(control.url + path, { method: 'POST', body: JSON.stringify(body) })
  return { control, orders, listeners, post }
}

function createExperiment(
  run: (options: ExperimentOptions) => Promise<Partial<ExperimentResult>>,
): Experiment {
  return {
    info: { name: 'F1', title: { en: 'A fault', ko: '장애' } },
    strategies: ['memory'],
    run: async (_fleet, options = {}) => (await run(options)) as ExperimentResult,
  }
}

describe('createControl()', () => {
  it('answers only to its own names', async () => {
    const { control } = await createTrial()
    const { port } = new URL(control.url)
    const ask = (host: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        request({ port, path: '/api/state', headers: { host } }, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
          .on('error', reject)
          .end()
      })

    const statuses = await Promise.all([
      ask(`127.0.0.1:${port}`),
      ask(`localhost:${port}`),
      ask(`evil.example:${port}`),
      ask('127.0.0.1'),
    ])

    expect(statuses).toEqual([200, 200, 403, 403])
  })

  it.each([
    ['/api/servers/A/drain', 'A drain'],
    ['/api/engines/redis-1/pause', 'engine redis-1 pause'],
  ])('passes on what is asked for at %s', async (path, order) => {
    const { post, orders } = await createTrial()

    const response = await post(path)

    expect(response.status).toBe(200)
    expect(orders).toEqual([order])
  })

  it('passes on how a network is to be broken', async () => {
    const { post, orders } = await createTrial()

    await post('/api/servers/B/cut')
    await post('/api/servers/B/cut', { channel: 'feed', direction: 'from-store', sever: true })
    await post('/api/servers/B/slow', { milliseconds: 250 })
    await post('/api/servers/B/heal')

    expect(orders).toEqual(['B cut', 'B cut feed from-store true', 'B slow 250', 'B heal'])
  })

  it.each([
    { channel: 'both' },
    { direction: 'up' },
    { sever: 1 },
    { milliseconds: 0 },
    { milliseconds: 1e6 },
  ])('refuses to break a network by %j', async (fault) => {
    const { post, orders } = await createTrial()

    const response = await post('/api/servers/B/cut', fault)

    expect(response.status).toBe(400)
    expect(orders).toEqual([])
  })

  it('refuses to do with an engine what can only be done with a server', async () => {
    const { post, orders } = await createTrial()

    const response = await post('/api/engines/redis-1/drain')

    expect(response.status).toBe(404)
    expect(orders).toEqual([])
  })

  it.each([{ visitors: 12, rate: 60 }, { visitors: 12 }, { rate: 60 }])(
    'changes what is given of the traffic: %j',
    async (settings) => {
      const { post, orders } = await createTrial()

      const response = await post('/api/traffic', settings)

      expect(response.status).toBe(200)
      expect(orders).toEqual([JSON.stringify(settings)])
    },
  )

  it.each([{}, { visitors: '12' }, { visitors: 12, rate: null }])(
    'refuses %j as traffic',
    async (settings) => {
      const { post, orders } = await createTrial()

      const response = await post('/api/traffic', settings)

      expect(response.status).toBe(400)
      expect(orders).toEqual([])
    },
  )

  it('runs an experiment with its options and answers with the result', async () => {
    const experiment = createExperiment(async ({ rounds, short }) => ({
      measured: { rounds: rounds ?? 0, short: String(short) },
    }))
    const { post } = await createTrial({ experiments: [experiment] })

    const response = await post('/api/experiments/F1', { rounds: 7 })

    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ measured: { rounds: 7, short: 'false' } })
  })

  it('lets nobody disturb an experiment', async () => {
    let finish = () => undefined as void
    const running = new Promise<void>((resolve) => (finish = resolve))
    const experiment = createExperiment(async () => {
      await running
      return {}
    })
    const { post, orders } = await createTrial({ experiments: [experiment] })
    const first = post('/api/experiments/F1')

    await expect.poll(async () => (await post('/api/servers/A/kill')).status).toBe(409)
    const second = await post('/api/experiments/F1')
    const told = orders.length
    finish()
    const afterwards = [(await first).status, (await post('/api/servers/A/kill')).status]

    expect(second.status).toBe(409)
    expect(afterwards).toEqual([200, 200])
    expect(orders.slice(told)).toEqual(['A kill'])
  })

  it('says so when an experiment makes no sense on the strategy, and goes on', async () => {
    const experiment = createExperiment(() => Promise.reject(new RangeError('Cannot run F1 on memory')))
    const { post } = await createTrial({ experiments: [experiment] })

    const response = await post('/api/experiments/F1')
    const next = await post('/api/servers/A/pause')

    expect(response.status).toBe(409)
    expect(await response.json()).toEqual({
      error: { code: 'ERR_CONFLICT', message: 'Cannot run F1 on memory' },
    })
    expect(next.status).toBe(200)
  })

  it.each([{ rounds: 0 }, { rounds: 1.5 }, { seconds: '9' }, { seconds: 3_601 }])(
    'refuses an experiment with %j',
    async (options) => {
      const { post } = await createTrial({ experiments: [createExperiment(async () => ({}))] })

      const response = await post('/api/experiments/F1', options)

      expect(response.status).toBe(400)
    },
  )

  it('serves the dashboard, and nothing beside it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'control-test-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'index.html'), '<h1>Lab</h1>')
    await writeFile(join(folder, '.secret'), 'secret')
    const { control } = await createTrial({ dashboard: folder })
    const get = async (path: string) => {
      const response = await fetch(control.url + path)
      return [response.status, response.headers.get('content-type')]
    }

    const answers = await Promise.all(['/', '/index.html', '/.secret', '/..%2f', '/%00', '/%'].map(get))

    expect(answers).toEqual([
      [200, 'text/html; charset=utf-8'],
      [200, 'text/html; charset=utf-8'],
      ...Array.from({ length: 4 }, () => [404, 'application/json; charset=utf-8']),
    ])
  })

  it('streams events to everybody who follows, and lets go of those who leave', async () => {
    const { control, listeners } = await createTrial()
    const abort = new AbortController()
    const response = await fetch(`${control.url}/api/events`, { signal: abort.signal })
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()

    const first = await reader?.read()
    for (const listener of listeners) {
      listener({ type: 'notice', level: 'info', text: { en: 'Hello', ko: '안녕하세요' }, at: 0 })
    }
    const second = await reader?.read()
    abort.abort()

    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(first?.value).toBe(
      'event: state\ndata: {"type":"state","state":{"strategy":"memory","engines":[]}}\n\n',
    )
    expect(second?.value).toBe(
      'event: notice\ndata: {"type":"notice","level":"info","text":{"en":"Hello","ko":"안녕하세요"},"at":0}\n\n',
    )
  })

  it('stops listening to the fleet when it is closed, with somebody following', async () => {
    const { control, listeners } = await createTrial()
    const response = await fetch(`${control.url}/api/events`)

    await control.close()

    expect(listeners.size).toBe(0)
    await expect(response.text()).resolves.toContain('event: state')
  })
})
