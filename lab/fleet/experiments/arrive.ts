/**
 * How a visitor of an experiment gets its login before the fault: patiently, as the machine may be busy.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import { readHandle, type Visitor } from '../traffic/visitor.ts'

const ATTEMPTS = 30
const PAUSE = 300

/**
 * Registers a visitor, or logs it in when its user exists already. Then it is logged in.
 *
 * @throws When the shop refuses again and again: then there is nothing to experiment with.
 */
export async function arrive(visitor: Visitor): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    // A registration without an answer may have worked; then the name is taken, by the visitor itself.
    if ((await visitor.register()) || (await visitor.login())) return
    await delay(PAUSE)
  }
  throw new Error('Cannot start an experiment: the shop refuses a new user')
}

/**
 * Logs a visitor in whose user exists.
 *
 * @throws When the shop refuses again and again.
 */
export async function logInAgain(visitor: Visitor): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await visitor.login()) return
    await delay(PAUSE)
  }
  throw new Error('Cannot go on with an experiment: the shop refuses a login')
}

/**
 * Asks for the handle of a visitor's session.
 *
 * @throws When the shop does not tell again and again.
 */
export async function askHandle(visitor: Visitor): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const handle = readHandle((await visitor.request('GET', '/me'))?.body)
    if (handle !== undefined) return handle
    await delay(PAUSE)
  }
  throw new Error('Cannot go on with an experiment: the shop does not know a user who has just logged in')
}
