/**
 * What is expected of three servers while the network of one of them breaks.
 *
 * @module
 */

import { expect } from 'vitest'
import type { ExperimentResult } from '../../lab/fleet/protocol.ts'

/** How old a copy may be that is answered from, in milliseconds. */
const BOUND = 2_000

/** A refusal is promised within 1 s, and all to be well again within 2 s; three times as much on a busy machine. */
const PATIENCE = { refusal: 3_000, recovery: 6_000 }

/** Part of the requests elsewhere that may miss their deadline when the machine is busy, without any fault. */
const BUSY = 0.05

type Measured = ExperimentResult['measured']

/** What servers measure that refuse by 503 and Retry-After what they cannot do, and lose and mix up nothing. */
export const honest = { answered_otherwise: 0, without_retry_after: 0, acked_lost: 0, cross_user: 0 }

/** Expects F7 to have shown that the server without a store refused everything, and that nobody else noticed. */
export function expectRefusals(measured: Measured): void {
  expect(measured).toMatchObject({
    ...honest,
    revoked: 4,
    served_from_copy: 0,
    stale_answers: 0,
    resurrected: 0,
  })
  expect(measured['acked_items']).toBeGreaterThan(20)
  expectPatience(measured)
}

/** Expects F7 to have shown that the server without a store answered from copies within the bound, and then refused. */
export function expectCopies(measured: Measured): void {
  expect(measured).toMatchObject({
    ...honest,
    revoked: 4,
    resurrected: 0,
  })
  expect(measured['served_from_copy']).toBeGreaterThan(0)
  expect(measured['last_copy_ms']).toBeLessThanOrEqual(BOUND)
  expect(measured['last_stale_ms']).toBeLessThanOrEqual(BOUND)
  expectPatience(measured)
}

/** Expects F10 to have shown that no copy is believed of which nothing is told. */
export function expectDisbelief(measured: Measured): void {
  expect(measured).toMatchObject({
    hits_whole: 10,
    severed_read_through: 10,
    severed_hits: 0,
    silent_read_through: 10,
    silent_hits: 0,
    resurrected: 0,
    acked_lost: 0,
    cross_user: 0,
  })
  expect(measured['severed_last_stale_ms']).toBeLessThanOrEqual(1_000)
  // A silent channel is believed for a while: otherwise the cut would have cut nothing.
  expect(measured['silent_stale_answers']).toBeGreaterThan(0)
  expect(measured['silent_last_stale_ms']).toBeLessThanOrEqual(BOUND)
}

/** Expects F18 to have shown that what a store far away cannot do in time is refused, and nothing else. */
export function expectShedding(measured: Measured): void {
  expect(measured).toMatchObject(honest)
  expect(measured['refused']).toBeGreaterThan(100)
  expect(measured['slowest_answer_ms']).toBeLessThan(PATIENCE.refusal)
  expect(measured['recovery_ms']).toBeLessThan(PATIENCE.recovery)
}

function expectPatience(measured: Measured): void {
  const elsewhere = Number(measured['refused_elsewhere']) / Number(measured['requests_elsewhere'])
  expect(elsewhere).toBeLessThan(BUSY)
  expect(measured['refused']).toBeGreaterThan(20)
  expect(measured['slowest_refusal_ms']).toBeLessThan(PATIENCE.refusal)
  expect(measured['recovery_ms']).toBeLessThan(PATIENCE.recovery)
}
