/**
 * A user's own page: this session, and all others of theirs.
 *
 * @module
 */

import { nameDevice } from '../device-name.ts'
import { type Html, html } from '../html.ts'
import type { Language } from '../preferences.ts'
import { type Texts, textsIn } from '../texts/texts.ts'
import type { User } from '../users/users.ts'
import { type PageContext, renderPage } from './page.ts'

/** One of a user's sessions. Instants are milliseconds since the Unix epoch. */
export interface SessionView {
  readonly handle: string
  readonly createdAt: number
  readonly lastSeenAt: number
  readonly expiresAt: number
  /** Whether it outlives the browser. */
  readonly remembered: boolean
  /** Whether it is the session of this very request. */
  readonly current: boolean
  readonly device:
    | { readonly userAgent: string | undefined; readonly address: string | undefined }
    | undefined
}

/** A user's sessions, as far as the store can find them. */
export interface SessionList {
  readonly sessions: readonly SessionView[]
  /** Whether these are all; a store without an index by user knows only the present one. */
  readonly complete: boolean
}

/** Renders `/account`. */
export function renderAccountPage(
  context: PageContext & { readonly user: User },
  { sessions, complete }: SessionList,
  now: number,
): string {
  const texts = textsIn(context.preferences.language)
  const time = (instant: number): Html => renderTime(instant, now, context.preferences.language)
  const current = sessions.find((session) => session.current)
  const inOrder = [...sessions].sort((one, other) => Number(other.current) - Number(one.current))
  return renderPage(context, {
    title: texts.account,
    body: html`
      <h1>${context.user.username}</h1>
      ${
        current &&
        html`<section class="card" aria-labelledby="session">
          <h2 id="session">${texts.thisSession}</h2>
          <dl>
            <dt>${texts.handle}</dt>
            <dd><code>${current.handle.slice(0, 8)}</code> <span class="quiet">${texts.handleHint}</span></dd>
            <dt>${texts.began}</dt>
            <dd>${time(current.createdAt)}</dd>
            <dt>${texts.lastUsed}</dt>
            <dd>${time(current.lastSeenAt)}</dd>
            <dt>${texts.ends}</dt>
            <dd>${time(current.expiresAt)}</dd>
          </dl>
        </section>`
      }
      <section class="card" aria-labelledby="sessions">
        <h2 id="sessions">
          ${texts.yourSessions} ${complete && html`<span class="count">${sessions.length}</span>`}
        </h2>
        <p class="quiet">${complete ? texts.sessionsHint : texts.sessionsUnknown}</p>
        <ul class="sessions">
          ${inOrder.map((session) => renderSession(session, texts, time))}
        </ul>
        ${
          (sessions.length > 1 || !complete) &&
          html`<form method="post" action="/sessions/revoke-others">
            <button>${texts.logOutOthers}</button>
          </form>`
        }
      </section>
    `,
  })
}

function renderSession(session: SessionView, texts: Texts, time: (instant: number) => Html): Html {
  return html`<li>
    <div>
      <strong>${describeDevice(session.device?.userAgent, texts)}</strong>
      ${session.current && html`<span class="badge">${texts.current}</span>`}
      ${session.remembered && html`<span class="badge quiet">${texts.remembered}</span>`}
      <p class="quiet">
        <code>${session.handle.slice(0, 8)}</code> · ${session.device?.address ?? '–'} · ${texts.lastUsed}:
        ${time(session.lastSeenAt)}
      </p>
    </div>
    <form method="post" action="/sessions/${encodeURIComponent(session.handle)}/revoke">
      <button class="danger">${session.current ? texts.logOut : texts.endSession}</button>
    </form>
  </li>`
}

function describeDevice(userAgent: string | undefined, texts: Texts): string {
  const { browser, system } = nameDevice(userAgent ?? '')
  if (browser === undefined || system === undefined) return browser ?? system ?? texts.unknownDevice
  return texts.browserOnSystem.replace('%browser%', browser).replace('%system%', system)
}

const UNITS = [
  ['day', 24 * 60 * 60_000],
  ['hour', 60 * 60_000],
  ['minute', 60_000],
] as const

/** How long ago or ahead: servers do not know the person's time zone. */
function renderTime(instant: number, now: number, language: Language): Html {
  const distance = instant - now
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto' })
  const [unit, length] =
    UNITS.find(([, length]) => Math.abs(distance) >= length) ?? (['second', 1_000] as const)
  const text = format.format(Math.round(distance / length), unit)
  return html`<time datetime="${new Date(instant).toISOString()}">${text}</time>`
}
