import { describe, expect, it } from 'vitest'
import {
  BOUND,
  claims,
  createLine,
  createServer,
  createTrial,
  START,
} from '../../../test/support/revocations-trial.ts'
import type { RevocationLog } from '../revocation-log.ts'
import { createMemoryRevocationLog } from './memory.ts'

/** A log that can lose everything, as a failover to an empty replica does, with the connections staying open. */
function createWipeable(): RevocationLog & { wipe(): void } {
  const open = () => createMemoryRevocationLog({ now: () => START })
  let log = open()
  return {
    name: 'wipeable',
    now: () => log.now(),
    append: (entry) => log.append(entry),
    snapshot: () => log.snapshot(),
    subscribe(listener) {
      let subscription = log.subscribe(listener)
      let home = log
      return {
        echo(nonce) {
          if (home !== log) subscription = (home = log).subscribe(listener)
          return subscription.echo(nonce)
        },
        close: () => subscription.close(),
      }
    },
    wipe() {
      log = open()
    },
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('It did not happen within 5 s')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

describe('createRevocations() in step with its log', () => {
  it('knows what was revoked before it began', async () => {
    const { log, here } = await createTrial()
    await here.revokeSession('s1')

    const late = await createServer(log)
    const before = late.revocations.check(claims({ sid: 's2' }))
    await late.revocations.ready

    expect(before).toBe('unknown')
    expect(late.revocations.check(claims())).toBe('revoked')
    expect(late.revocations.check(claims({ sid: 's2' }))).toBe('valid')
  })

  it('reads everything again when a number is missing', async () => {
    const { here, there, fault } = await createTrial()
    fault.isDeaf = true
    await here.revokeSession('s1')
    fault.isDeaf = false

    await here.revokeSession('s2')

    await until(() => there.check(claims()) === 'revoked')
    expect(there.check(claims({ sid: 's2' }))).toBe('revoked')
    expect(there.stats).toMatchObject({ sequence: 2, snapshots: 2 })
  })

  it('finds out that the last entry is missing, though nothing comes after it', async () => {
    const { here, there, fault } = await createTrial()
    fault.isDeaf = true

    await here.revokeSession('s1')

    await until(() => there.check(claims()) === 'revoked')
    expect(there.stats).toMatchObject({ sequence: 1 })
  })

  it('reads everything again as soon as the channel broke', async () => {
    // With a bound of a minute, nothing else makes it read within this test.
    const { here, there, fault, breakOff } = await createTrial({ bound: 60_000 })
    fault.isDeaf = true
    fault.isMute = true
    await here.revokeSession('s1')

    breakOff()

    await until(() => there.check(claims()) === 'revoked')
  })

  it('refuses all tokens once no proof has come for longer than the bound', async () => {
    const { there, fault, events } = await createTrial()
    const cutAt = performance.now()
    fault.isMute = true
    fault.isDeaf = true

    await until(() => there.check(claims()) === 'unknown')

    expect(performance.now() - cutAt).toBeLessThanOrEqual(BOUND + 50)
    expect(there.stats.live).toBe(false)
    await until(() => events.some(({ type }) => type === 'lapsed'))
  })

  it('still says which tokens are revoked when it cannot say which are not', async () => {
    const { here, there, fault } = await createTrial()
    await here.revokeSession('s1')
    fault.isAway = true

    await until(() => !there.stats.live)

    expect(there.check(claims())).toBe('revoked')
  })

  it('accepts what may be revoked only by a loud option, and never before it was complete once', async () => {
    const { log, here, there, fault } = await createTrial({ allowPossiblyRevoked: true })
    await here.revokeSession('s1')
    fault.isAway = true
    await until(() => !there.stats.live)
    const wire = createLine(log)
    wire.fault.isAway = true
    const fresh = await createServer(wire.line, { allowPossiblyRevoked: true })

    expect(there.check(claims({ sid: 's2' }))).toBe('valid')
    expect(there.check(claims())).toBe('revoked')
    expect(fresh.revocations.check(claims({ sid: 's2' }))).toBe('unknown')
  })

  it('is back soon after the back end is', async () => {
    const { here, there, fault, events } = await createTrial()
    fault.isAway = true
    await until(() => !there.stats.live)
    await here.revokeSession('s1')
    fault.isAway = false

    await until(() => there.check(claims({ sid: 's2' })) === 'valid')

    expect(there.check(claims())).toBe('revoked')
    expect(events.some(({ type }) => type === 'renewed')).toBe(true)
  })

  it('tears a channel down that has fallen silent', async () => {
    const { there, fault, opened } = await createTrial()
    fault.isMute = true
    const before = opened()

    await until(() => opened() > before)
    fault.isMute = false

    await until(() => there.stats.live)
  })

  it('gives a log back what it has lost, though nobody said that it had', async () => {
    const log = createWipeable()
    const here = await createServer(log)
    await here.revocations.ready
    await here.revocations.revokeSession('s1')
    await here.revocations.revokeUser('ada')

    log.wipe()
    await until(() => here.events.some(({ type }) => type === 'restored'))
    const fresh = await createServer(log)
    await fresh.revocations.ready

    expect(here.events.filter(({ type }) => type === 'restored')).toEqual([{ type: 'restored', count: 2 }])
    expect(fresh.revocations.check(claims({ sub: 'bob' }))).toBe('revoked')
    expect(fresh.revocations.check(claims({ sid: 's2' }))).toBe('revoked')
    await here.revocations.revokeSession('s3')
    expect(fresh.revocations.check(claims({ sub: 'bob', sid: 's3' }))).toBe('revoked')
    await until(() => here.revocations.stats.sequence === 3)
  })
})
