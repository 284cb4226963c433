/**
 * The fault matrix on shared stores, in short: real servers, real back ends, judged by clients that keep their own account,
 * and networks that break while nothing else does, judged by clients that ask each server by itself.
 *
 * `COATCHECK_LONG=1` runs the long forms of what breaks a network. The whole form of any row is
 * `npm run lab -- experiment <name> --strategy <name>`. Times may take four times what is promised here, as tests run on
 * machines that do other things too.
 */

import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServerName } from '../lab/engines/installed.ts'
import type { Experiment } from '../lab/fleet/experiments/experiment.ts'
import { channelCut } from '../lab/fleet/experiments/channel-cut.ts'
import { corruptRecord } from '../lab/fleet/experiments/corrupt-record.ts'
import { networkCut } from '../lab/fleet/experiments/network-cut.ts'
import { parallelWriters } from '../lab/fleet/experiments/parallel-writers.ts'
import { revocationRace } from '../lab/fleet/experiments/revocation-race.ts'
import { slowStore } from '../lab/fleet/experiments/slow-store.ts'
import { storeAway } from '../lab/fleet/experiments/store-away.ts'
import { storeKilled } from '../lab/fleet/experiments/store-killed.ts'
import { storeWiped } from '../lab/fleet/experiments/store-wiped.ts'
import type { ExperimentResult, Fleet } from '../lab/fleet/protocol.ts'
import {
  expectCopies,
  expectDisbelief,
  expectRefusals,
  expectShedding,
  honest,
} from './support/broken-networks.ts'
import { describeWith } from './support/engines.ts'
import { type Lab, startLab } from './support/lab.ts'
import { connectFleet } from './support/remote-fleet.ts'

/** Runs an experiment on the fleet of a suite. */
type Run = (experiment: Experiment) => Promise<ExperimentResult['measured']>

const ROUNDS = 40

/** How long networks stay broken. */
const short = process.env['COATCHECK_LONG'] !== '1'

/** What one server does, and the others do not notice, while it is cut off from the store. */
function itIsCutOff(parts: { readonly fleet?: Fleet }, hasCopies: boolean): void {
  const answers = hasCopies
    ? 'serve copies within the bound where the store is out of reach, then refuse, and lose nothing'
    : 'refuse with 503 where the store is out of reach, serve elsewhere, and lose nothing'
  it(answers, async () => {
    if (!parts.fleet) throw new Error('There is no fleet to cut')
    const { measured } = await networkCut.run(parts.fleet, { short })

    if (hasCopies) expectCopies(measured)
    else expectRefusals(measured)
    expect(parts.fleet.state().servers.map(({ link }) => link)).toEqual(['whole', 'whole', 'whole'])
  })
}

/**
 * Describes a fleet of three servers on a strategy, with the two races that every shared store has to win and, where there is
 * a network to it, with that being cut.
 */
function describeFleet(
  strategy: string,
  servers: readonly ServerName[],
  more: (run: Run) => void = () => {},
): void {
  describeWith(servers, `three servers on ${strategy}`, () => {
    const parts: { lab?: Lab; fleet?: Fleet } = {}

    beforeAll(async () => {
      parts.lab = await startLab(['--strategy', strategy, '--routing', 'random'])
      parts.fleet = await connectFleet(parts.lab)
    })
    afterAll(async () => {
      await parts.fleet?.close()
      await parts.lab?.stop()
    })

    async function run(experiment: Experiment): Promise<ExperimentResult['measured']> {
      if (!parts.fleet) throw new Error(`There is no fleet on ${strategy}`)
      const { measured } = await experiment.run(parts.fleet, { short: true, rounds: ROUNDS })
      return measured
    }

    it('lose nothing of what fifty parallel writers were told is written, and write nothing twice', async () => {
      const measured = await run(parallelWriters)

      expect(measured).toMatchObject({ lost_updates: 0, doubled: 0, cross_user: 0, servers: 3 })
      expect(Number(measured['acked']) + Number(measured['refused'])).toBe(250)
      expect(measured['acked']).toBeGreaterThan(125)
    })

    it(`never know a session that was ended before, in ${ROUNDS} rounds against eight clients`, async () => {
      const measured = await run(revocationRace)

      expect(measured).toMatchObject({ resurrected: 0, false_acks: 0, cross_user: 0 })
      expect(measured['rounds']).toBeGreaterThan(ROUNDS / 2)
      expect(measured['late_answers']).toBeGreaterThan(ROUNDS * 8)
    })

    if (servers.length > 0) itIsCutOff(parts, strategy.endsWith('-cached'))

    more(run)
  })
}

/** What has to be there for the experiments that need one round. */
function once(experiment: Experiment): Experiment {
  return { ...experiment, run: (fleet) => experiment.run(fleet, { short: true }) }
}

/** The same where it is the network that breaks. */
function broken(experiment: Experiment): Experiment {
  return { ...experiment, run: (fleet) => experiment.run(fleet, { short }) }
}

function expectOutage(measured: ExperimentResult['measured']): void {
  expect(measured).toMatchObject(honest)
  expect(measured['refused']).toBeGreaterThan(20)
  expect(measured['slowest_answer_ms']).toBeLessThan(4_000)
  expect(measured['recovery_paused_ms']).toBeLessThan(8_000)
  expect(measured['recovery_killed_ms']).toBeLessThan(8_000)
  expect(Math.max(Number(measured['load_paused']), Number(measured['load_killed']))).toBeLessThan(4)
}

/** What F9 measures where everything is gone for good, and everybody can begin anew. */
const loggedOut = {
  sessions: 16,
  still_known: 0,
  adopted: 0,
  carts_kept: 0,
  refilled: 0,
  renewed: 16,
  cross_user: 0,
}

/** What servers do with copies of which they are told nothing any more. */
function itBelievesNoSilence(run: Run): void {
  it('believe no copy that they are told nothing about, and have hits again afterwards', async () => {
    expectDisbelief(await run(broken(channelCut)))
  })
}

describeFleet('sqlite-cached', [])

describeFleet('postgres', ['postgresql'], (run) => {
  it('lose nothing when the database is killed and started again', async () => {
    const measured = await run(once(storeKilled))

    expect(measured).toMatchObject({ kills: 1, acked_lost: 0, cross_user: 0, doubled: 0 })
    expect(measured['acked_items']).toBeGreaterThan(20)
  })

  it('say so while the database stands still or is dead, and are back at once without a rush', async () => {
    expectOutage(await run(once(storeAway)))
  })

  it('shed what the store cannot do in time with 503, and nothing else, when it is far away', async () => {
    expectShedding(await run(broken(slowStore)))
  })
})

describeFleet('postgres-cached', ['postgresql'], itBelievesNoSilence)

describeFleet('redis', ['redis-server'], (run) => {
  it('say so while Redis stands still or is dead, and are back at once without a rush', async () => {
    expectOutage(await run(once(storeAway)))
  })
})

describeFleet('redis-cached', ['redis-server'], (run) => {
  itBelievesNoSilence(run)

  it('log everybody out when Redis is wiped, and do not fill it again from their copies', async () => {
    const measured = await run(once(storeWiped))

    expect(measured).toMatchObject(loggedOut)
  })
})

describeFleet('redis-sentinel', ['redis-server', 'redis-sentinel'], (run) => {
  it('lose nothing when the primary is killed, and go on with another', async () => {
    const measured = await run(once(storeKilled))

    expect(measured).toMatchObject({ kills: 1, acked_lost: 0, cross_user: 0, doubled: 0 })
    expect(measured['acked_items']).toBeGreaterThan(20)
    expect(measured['unavail_ms']).toBeLessThan(20_000)
  })
})

describeFleet('redis-cluster', ['redis-server'])

describeWith(['nats-server'], 'three servers on replicated', () => {
  const parts: { lab?: Lab; fleet?: Fleet } = {}

  beforeAll(async () => {
    parts.lab = await startLab(['--strategy', 'replicated', '--routing', 'random'])
    parts.fleet = await connectFleet(parts.lab)
  })
  afterAll(async () => {
    await parts.fleet?.close()
    await parts.lab?.stop()
  })

  async function run(experiment: Experiment, rounds?: number): Promise<ExperimentResult['measured']> {
    if (!parts.fleet) throw new Error('There is no fleet on replicated')
    const { measured } = await experiment.run(parts.fleet, { short: true, ...(rounds && { rounds }) })
    return measured
  }

  itIsCutOff(parts, true)

  it('set a damaged record aside and go on', async () => {
    const measured = await run(corruptRecord, 2)

    expect(measured).toMatchObject({ damaged: 2, set_aside: 2, renewed: 2, still_known: 0, status_5xx: 0 })
    expect(measured['events']).toBeGreaterThan(0)
  })

  it('log everybody out when the log is emptied or deleted, and fill neither from their copies', async () => {
    const measured = await run(storeWiped)

    expect(measured).toMatchObject({
      ...loggedOut,
      deleted_known: 0,
      deleted_refilled: 0,
      deleted_renewed: 16,
      crashed: 0,
    })
    expect(measured['recovery_ms']).toBeLessThan(30_000)
  })

  it('lose nothing when the leader is killed, and read no longer than the bound', async () => {
    const measured = await run(storeKilled)

    expect(measured).toMatchObject({ kills: 1, acked_lost: 0, cross_user: 0, doubled: 0 })
    expect(measured['acked_items']).toBeGreaterThan(20)
    expect(measured['unavail_ms']).toBeLessThan(30_000)
    expect(measured['last_read_ms']).toBeLessThan(2_100)
  })
})

describeFleet('memcached', ['memcached'])
