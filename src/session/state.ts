/**
 * The state of one request's session: what was loaded, what was changed, what is being stored, which cookie to send.
 *
 * @module
 */

import { type Attributes, applyChanges, type Change } from './attributes.ts'
import { type Commits, superseded } from './commits.ts'
import type { CookieJar } from './cookie-jar.ts'
import type { Engine, OwnedSession } from './engine.ts'
import { LateWriteError } from './errors.ts'
import type { EventHub } from './events.ts'
import type { HttpExchange } from './exchange.ts'

/** How a request's cookie was understood. */
export type Origin =
  /** No cookie, or none that is a session here. */
  | { readonly kind: 'stranger'; readonly reason: 'no cookie' | 'malformed' | 'unknown' | 'corrupt' }
  /** `moved`: the browser still sends the id from before a rotation. `strays`: it sent other cookies of this name. */
  | {
      readonly kind: 'session'
      readonly owned: OwnedSession
      readonly moved: boolean
      readonly strays: boolean
    }
  | { readonly kind: 'superseded'; readonly by: string }
  /** The store was away and the outage policy lets the request go on without its session. */
  | { readonly kind: 'unavailable'; readonly error: Error }

/** What a session asks of its manager. */
export interface SessionHost {
  readonly engine: Engine
  readonly commits: Commits
  readonly events: EventHub
  readonly cookies: CookieJar
  /** Changes after the answer has begun are thrown back at the developer. */
  readonly development: boolean
  /** Ends the user's oldest sessions beyond the limit; `keep` is not one of them. */
  readonly enforceLimit: (principal: string, keep: string) => Promise<void>
}

/** What became of a session's changes: stored, or dropped as the session was ended meanwhile. */
export type CommitOutcome = 'written' | 'gone'

const EMPTY: Attributes = Object.freeze({})

/** The moving parts of a `Session`. */
export class SessionState {
  readonly #host: SessionHost
  readonly #exchange: HttpExchange
  #owned: OwnedSession | undefined
  #supersededBy: string | undefined
  #unavailable: Error | undefined
  #gone = false
  /** Changes that no commit has taken yet. */
  #pending: Change[] = []
  /** Changes whose commit is under way. */
  readonly #sent = new Set<readonly Change[]>()
  readonly #commits = new Set<Promise<unknown>>()
  #exclusive: Promise<void> | undefined
  #view: Attributes | undefined
  #cookie: 'set' | 'clear' | undefined
  #strays = false
  #hooked = false
  /** The answer is decided and waits for the last commit: the one moment in which headers may still be added to it. */
  #settling = false

  constructor(host: SessionHost, exchange: HttpExchange, origin: Origin) {
    this.#host = host
    this.#exchange = exchange
    if (origin.kind === 'session') this.#adopt(origin)
    else if (origin.kind === 'superseded') this.#supersededBy = origin.by
    else if (origin.kind === 'unavailable') this.#unavailable = origin.error
  }

  get owned(): OwnedSession | undefined {
    return this.#owned
  }

  get superseded(): boolean {
    return this.#supersededBy !== undefined
  }

  get unavailable(): boolean {
    return this.#unavailable !== undefined
  }

  get gone(): boolean {
    return this.#gone
  }

  /** All attributes as this request sees them: stored ones with its own changes on top. */
  get attributes(): Attributes {
    if (this.#view) return this.#view
    const stored = this.#owned?.snapshot.attributes ?? EMPTY
    const changes = [...[...this.#sent].flat(), ...this.#pending]
    return (this.#view = changes.length > 0 ? applyChanges(stored, changes) : stored)
  }

  /** Notes a change, to be committed before the headers leave. */
  change(change: Change): void {
    this.#refuseWhenUnavailable()
    if (this.#supersededBy !== undefined) throw superseded()
    if (this.#gone) return
    const late = this.#exchange.headersSent
    if (late && (this.#host.development || !this.#owned)) throw lateWrite()
    this.#pending.push(change)
    this.#view = undefined
    if (late) this.#commitLate(this.#owned as OwnedSession)
    else this.#hook()
  }

  /** Commits what was noted, and then `last`. */
  async commit(last?: Change): Promise<CommitOutcome> {
    if (!last && this.#pending.length === 0) return this.#gone ? 'gone' : 'written'
    this.#refuseWhenUnavailable()
    if (this.#supersededBy !== undefined) throw superseded()
    const work = this.#commitInTurn(last)
    this.#commits.add(work)
    try {
      return await work
    } finally {
      this.#commits.delete(work)
    }
  }

  async login(principal: string, remembered: boolean): Promise<void> {
    this.#refuseWhenUnavailable()
    this.#requireHeaders()
    const { engine, enforceLimit } = this.#host
    const device = {
      userAgent: this.#exchange.header('user-agent')?.slice(0, 256),
      address: this.#exchange.address,
    }
    await this.#exclusively(async () => {
      const changes = this.#pending
      const supersededBy = this.#supersededBy
      this.#own(await engine.login(this.#owned, changes, { principal, remembered, device, supersededBy }))
      this.#pending = this.#pending.slice(changes.length)
      this.#supersededBy = undefined
      this.#gone = false
    })
    await enforceLimit(principal, (this.#owned as OwnedSession).snapshot.key)
  }

  async regenerate(): Promise<void> {
    this.#refuseWhenUnavailable()
    if (!this.#owned) return
    this.#requireHeaders()
    await this.commit()
    await this.#exclusively(async () => {
      if (!this.#owned) return
      const moved = await this.#host.engine.regenerate(this.#owned)
      if (moved) this.#own(moved)
      else this.#end('gone')
    })
  }

  async destroy(): Promise<void> {
    this.#refuseWhenUnavailable()
    // Its cookie is not cleared: the browser holds that of the login by now.
    if (this.#supersededBy !== undefined) return
    await this.#exclusively(async () => {
      const removed = this.#owned && (await this.#host.engine.remove(this.#owned.snapshot.key))
      if (removed) this.#host.events.emit('destroyed', { handle: removed.key, principal: removed.principal })
      this.#pending = []
      this.#end('destroyed')
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

  async #commitInTurn(last: Change | undefined): Promise<CommitOutcome> {
    while (this.#exclusive) await this.#exclusive
    if (this.#gone) return 'gone'
    if (!this.#owned) return this.#create(last)
    const changes = this.#pending
    this.#pending = []
    const sent = last ? [...changes, last] : changes
    this.#sent.add(sent)
    this.#view = undefined
    try {
      const snapshot = await this.#host.commits.commit(this.#owned.snapshot, sent)
      if (!snapshot) this.#end('gone')
      else if (this.#owned && snapshot.version >= this.#owned.snapshot.version)
        this.#owned = { id: this.#owned.id, snapshot }
      return snapshot ? 'written' : 'gone'
    } catch (error) {
      this.#pending = [...changes, ...this.#pending]
      throw error
    } finally {
      this.#sent.delete(sent)
      this.#view = undefined
    }
  }

  async #create(last: Change | undefined): Promise<CommitOutcome> {
    this.#requireHeaders()
    return this.#exclusively(async () => {
      const changes = this.#pending
      this.#own(await this.#host.engine.create(last ? [...changes, last] : changes))
      this.#pending = this.#pending.slice(changes.length)
      return 'written' as const
    })
  }

  /** Creation, login, rotation and end change what all other operations build on: they run alone. */
  async #exclusively<Result>(task: () => Promise<Result>): Promise<Result> {
    while (this.#exclusive) await this.#exclusive
    let release = (): void => undefined
    this.#exclusive = new Promise((resolve) => (release = resolve))
    try {
      return await task()
    } finally {
      this.#exclusive = undefined
      this.#view = undefined
      release()
    }
  }

  #own(owned: OwnedSession): void {
    this.#owned = owned
    this.#cookie = 'set'
    this.#view = undefined
  }

  #end(how: 'gone' | 'destroyed'): void {
    this.#owned = undefined
    this.#gone = how === 'gone'
    if (this.#gone) this.#pending = []
    this.#view = undefined
    this.#cookie = 'clear'
    if (!this.#exchange.headersSent) this.#hook()
  }

  #refuseWhenUnavailable(): void {
    if (this.#unavailable) throw this.#unavailable
  }

  /** Makes sure that a cookie can still be sent, before anything is stored that needs one. */
  #requireHeaders(): void {
    if (this.#settling) return
    if (this.#exchange.headersSent) throw lateWrite()
    this.#hook()
  }

  #hook(): void {
    if (this.#hooked) return
    this.#hooked = true
    this.#exchange.beforeHeaders(() => this.#beforeHeaders())
  }

  #beforeHeaders(): Promise<void> | undefined {
    if (this.#pending.length > 0 || this.#commits.size > 0 || this.#exclusive) return this.#settle()
    this.#writeCookie()
    return undefined
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#commits)
    while (this.#exclusive) await this.#exclusive
    this.#settling = true
    if (this.#pending.length > 0) await this.commit()
    this.#settling = false
    this.#writeCookie()
  }

  #writeCookie(): void {
    const { cookies } = this.#host
    if (this.#strays) cookies.expireStrays(this.#exchange)
    if (this.#cookie === 'set' && this.#owned) cookies.set(this.#exchange, this.#owned)
    else if (this.#cookie === 'clear') cookies.clear(this.#exchange)
  }
}

function lateWrite(): LateWriteError {
  return new LateWriteError(
    'Cannot change the session as the answer has begun: change it before writing the answer, or await session.update() on a session that is stored already',
  )
}
