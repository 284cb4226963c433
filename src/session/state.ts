/**
 * The state of one request's session: what was loaded, what was changed, what is being stored, which cookie to send.
 *
 * @module
 */

import { applyChanges, type Attributes, type Change } from './attributes.ts'
import { ChangeLog } from './change-log.ts'
import { EMPTY, type Found, type OwnedSession } from './engine.ts'
import { LateWriteError, SessionSupersededError } from './errors.ts'
import type { HttpExchange } from './exchange.ts'
import type { Origin, SessionHost } from './host.ts'
import type { Snapshot } from './record.ts'
import { Turns } from './turns.ts'

/** What became of a session's changes: stored, or dropped as the session was ended meanwhile. */
export type CommitOutcome = 'written' | 'gone'

/** The moving parts of a `Session`. */
export class SessionState {
  readonly #host: SessionHost
  readonly #exchange: HttpExchange
  readonly origin: Origin
  #owned: OwnedSession | undefined
  #supersededBy: string | undefined
  #gone = false
  readonly #changes = new ChangeLog()
  readonly #turns = new Turns(this.#changes)
  #cookie: 'set' | 'clear' | undefined
  #strays = false
  #hooked = false
  /** The answer is decided and waits for the last commit: the one moment in which headers may still be added to it. */
  #settling = false

  constructor(host: SessionHost, exchange: HttpExchange, origin: Origin) {
    this.#host = host
    this.#exchange = exchange
    this.origin = origin
    if (origin.kind === 'session') this.#adopt(origin)
    else if (origin.kind === 'superseded') this.#supersededBy = origin.by
  }

  get owned(): OwnedSession | undefined {
    return this.#owned
  }

  get superseded(): boolean {
    return this.#supersededBy !== undefined
  }

  get unavailable(): boolean {
    return this.origin.kind === 'unavailable'
  }

  get gone(): boolean {
    return this.#gone
  }

  /** All attributes as this request sees them: stored ones with its own changes on top. */
  get attributes(): Attributes {
    return this.#changes.previewOver(this.#owned?.snapshot.attributes ?? EMPTY)
  }

  /** Notes a change, to be committed before the headers leave. */
  change(change: Change): void {
    this.#refuseWhenUnavailable()
    if (this.#supersededBy !== undefined) throw superseded()
    if (this.#gone) return
    const late = this.#exchange.headersSent
    if (late && (this.#host.development || !this.#owned)) throw lateWrite()
    this.#host.expectRoom?.(this.#owned?.snapshot, applyChanges(this.attributes, [change]))
    this.#changes.note(change)
    if (late) this.#commitLate(this.#owned as OwnedSession)
    else this.#hook()
  }

  /** Commits what was noted. */
  commit(): Promise<CommitOutcome> {
    return this.#commit(undefined, (outcome) => outcome)
  }

  /**
   * Commits what was noted, and then an update.
   *
   * @param result What the update has led to, asked for when it is stored.
   * @returns `undefined` when the session was ended meanwhile.
   */
  update<Result>(last: Change, result: () => Result): Promise<Result | undefined> {
    return this.#commit(last, (outcome) => (outcome === 'gone' ? undefined : result()))
  }

  // One async function for all of it: each costs every write some promises.
  async #commit<Result>(
    last: Change | undefined,
    answer: (outcome: CommitOutcome) => Result,
  ): Promise<Result> {
    if (!last && !this.#changes.isPending) return answer(this.#gone ? 'gone' : 'written')
    this.#refuseWhenUnavailable()
    if (this.#supersededBy !== undefined) throw superseded()
    // What a stranger set and removed again needs no session.
    if (!last && !this.#owned && Object.keys(this.attributes).length === 0) return answer('written')
    // The answer waits for it, even where the handler does not.
    const isAwaited = this.#hook()
    this.#turns.begin(isAwaited)
    let failure: { error: unknown } | undefined
    let sent: readonly Change[] | undefined
    try {
      while (this.#turns.isTaken) await this.#turns.next()
      if (this.#gone) return answer('gone')
      if (!this.#owned) {
        await this.#create(last)
        return answer('written')
      }
      const { snapshot } = this.#owned
      sent = this.#changes.take(last)
      const found = await this.#host.commits.commit(snapshot, sent)
      this.#changes.stored(sent)
      sent = undefined
      if (found.kind === 'session') {
        const finding = this.#renew(found.snapshot)
        if (finding) await finding
        return answer('written')
      }
      this.#end(found)
      if (found.kind === 'superseded') throw superseded()
      return answer('gone')
    } catch (error) {
      if (sent) this.#changes.giveBack(sent, last)
      failure = { error }
      throw error
    } finally {
      this.#turns.end(isAwaited, failure)
    }
  }

  async login(principal: string, remembered: boolean): Promise<void> {
    this.#refuseWhenUnavailable()
    this.#requireHeaders()
    const { rotation, enforceLimit } = this.#host
    const device = {
      userAgent: this.#exchange.header('user-agent')?.slice(0, 256),
      address: this.#exchange.address,
    }
    await this.#turns.alone(() =>
      this.#changes.handOver(async (changes) => {
        const supersededBy = this.#supersededBy
        this.#own(await rotation.login(this.#owned, changes, { principal, remembered, device, supersededBy }))
        this.#supersededBy = undefined
        this.#gone = false
      }),
    )
    await enforceLimit(principal, (this.#owned as OwnedSession).snapshot.key)
  }

  /** Goes on with another state of the session, whose cookie is sent. */
  async replace(next: (owned: OwnedSession) => OwnedSession): Promise<void> {
    await this.#turns.alone(async () => {
      if (!this.#owned) return
      this.#requireHeaders()
      this.#own(next(this.#owned))
    })
  }

  /** @returns Whether there is such a session still. */
  async readAgain(): Promise<boolean> {
    this.#refuseWhenUnavailable()
    return this.#turns.alone(async () => {
      const owned = this.#owned
      if (!owned) return false
      const found = await this.#host.engine.resolve(owned.id)
      if (found.kind !== 'session') {
        this.#end(found)
        return false
      }
      const moved = found.id !== owned.id
      if (moved && !this.#exchange.headersSent) {
        this.#own(found)
        this.#hook()
      } else this.#owned = found
      return true
    })
  }

  async regenerate(): Promise<void> {
    this.#refuseWhenUnavailable()
    if (!this.#owned) return
    this.#requireHeaders()
    await this.commit()
    await this.#turns.alone(async () => {
      if (!this.#owned) return
      const moved = await this.#host.rotation.regenerate(this.#owned)
      if (moved.kind === 'session') this.#own(moved)
      else this.#end(moved)
    })
  }

  async destroy(): Promise<void> {
    this.#refuseWhenUnavailable()
    // Its cookie is not cleared: the browser holds that of the login by now.
    if (this.#supersededBy !== undefined) return
    await this.#turns.alone(async () => {
      const removed = this.#owned && (await this.#host.engine.remove(this.#owned.snapshot))
      if (removed?.kind === 'session') {
        const { key, principal } = removed.snapshot
        this.#host.events.emit('destroyed', { handle: key, principal })
      }
      this.#changes.drop()
      this.#end(removed?.kind === 'superseded' ? removed : 'destroyed')
    })
  }

  #adopt({ owned, moved, strays }: Origin & { kind: 'session' }): void {
    this.#owned = owned
    if ((!moved && !strays) || this.#exchange.headersSent) return
    this.#strays = strays
    this.#cookie = 'set'
    this.#hook()
  }

  /** The developer was told in development; here the data counts for more. */
  #commitLate({ snapshot }: OwnedSession): void {
    this.#host.events.emit('lateWrite', { handle: snapshot.key, principal: snapshot.principal })
    // Trouble with the store has its own event; the answer is on its way already.
    void this.commit().catch(() => undefined)
  }

  async #create(last: Change | undefined): Promise<void> {
    this.#requireHeaders()
    await this.#turns.alone(async () => {
      this.#own(await this.#changes.handOver((changes) => this.#host.engine.create(changes), last))
    })
  }

  /** Takes over what a commit has stored. A promise when that has to be looked for. */
  #renew(snapshot: Snapshot): Promise<void> | undefined {
    const owned = this.#owned
    if (!owned) return undefined
    if (snapshot.key !== owned.snapshot.key) return this.#follow(owned, snapshot)
    if (snapshot.version <= owned.snapshot.version) return undefined
    const renewed = { id: owned.id, snapshot }
    if (this.#host.values.followWrites) this.#own(renewed)
    else this.#owned = renewed
    return undefined
  }

  /** A parallel request rotated the session, and this one's id belongs to the key from before. */
  async #follow(owned: OwnedSession, snapshot: Snapshot): Promise<void> {
    const found = await this.#host.engine.resolve(owned.id)
    if (this.#owned !== owned) return
    // After the grace nobody learns the new id by the old one; the browser has it from the request that rotated.
    if (found.kind !== 'session') this.#owned = { id: owned.id, snapshot }
    else if (this.#exchange.headersSent) this.#owned = found
    else this.#own(found)
  }

  #own(owned: OwnedSession): void {
    this.#owned = owned
    this.#cookie = 'set'
  }

  /** The session is not there any more: ended here or elsewhere, or a user's since a parallel request logged in. */
  #end(how: 'destroyed' | Exclude<Found, { kind: 'session' }>): void {
    this.#owned = undefined
    if (how !== 'destroyed') this.#changes.drop()
    if (how !== 'destroyed' && how.kind === 'superseded') {
      // The browser holds the cookie of the login by now.
      this.#supersededBy = how.by
      this.#cookie = undefined
      return
    }
    this.#gone = how !== 'destroyed'
    this.#cookie = 'clear'
    if (!this.#exchange.headersSent) this.#hook()
  }

  #refuseWhenUnavailable(): void {
    if (this.origin.kind === 'unavailable') throw this.origin.error
  }

  /** Makes sure that a cookie can still be sent, before anything is stored that needs one. */
  #requireHeaders(): void {
    if (this.#settling) return
    if (this.#exchange.headersSent) throw lateWrite()
    this.#hook()
  }

  /** @returns Whether the answer has not begun, so that it will wait. */
  #hook(): boolean {
    if (this.#hooked) return !this.#exchange.headersSent
    return (this.#hooked = this.#exchange.beforeHeaders(() => this.#beforeHeaders()))
  }

  #beforeHeaders(): Promise<void> | undefined {
    if (this.#changes.isPending || this.#turns.isBusy) return this.#settle()
    this.#writeCookie()
    return undefined
  }

  async #settle(): Promise<void> {
    await this.#turns.settle()
    this.#settling = true
    if (this.#changes.isPending) await this.commit()
    this.#settling = false
    this.#writeCookie()
  }

  #writeCookie(): void {
    const { cookies, values } = this.#host
    if (this.#strays) cookies.expireStrays(this.#exchange)
    if (this.#cookie === 'set' && this.#owned)
      cookies.set(this.#exchange, values.encode(this.#owned), this.#owned.snapshot)
    else if (this.#cookie === 'clear') cookies.clear(this.#exchange)
  }
}

function superseded(): SessionSupersededError {
  return new SessionSupersededError(
    'Cannot change a session as its visitor has just logged in through another request: try again with the new cookie',
  )
}

function lateWrite(): LateWriteError {
  return new LateWriteError(
    'Cannot change the session as the answer has begun: change it before writing the answer, or await session.update() on a session that is stored already',
  )
}
