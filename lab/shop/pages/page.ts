/**
 * The frame of every page.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Html, html, renderHtml } from '../html.ts'
import type { Preferences } from '../preferences.ts'
import { publicFolder } from '../public-folder.ts'
import type { NoticeCode } from '../shop-session.ts'
import { type Texts, textsIn } from '../texts/texts.ts'
import type { User } from '../users/users.ts'

/** What every page knows. */
export interface PageContext {
  readonly preferences: Preferences
  /** Who is logged in; `undefined` for a visitor. */
  readonly user: User | undefined
  /** Page to come back to after a change of preferences: one of the shop's own paths. */
  readonly path: '/' | '/login' | '/register' | '/account'
  /** Something to tell once. */
  readonly notice: NoticeCode | undefined
}

/** A page to be put into the frame. */
export interface PageContent {
  readonly title: string
  readonly body: Html
}

const stylesheet = assetUrl('shop.css')
const script = assetUrl('shop.js')

/** Renders a whole page. */
export function renderPage(context: PageContext, content: PageContent): string {
  const { preferences, notice, path } = context
  const texts = textsIn(preferences.language)
  const title = path === '/' ? texts.title : `${content.title} · ${texts.title}`
  return `<!doctype html>\n${renderHtml(
    html`<html lang="${preferences.language}" data-theme="${preferences.theme ?? 'system'}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <link rel="stylesheet" href="${stylesheet}" />
        <link rel="icon" href="/static/goods/long-umbrella.svg" type="image/svg+xml" />
        <script src="${script}" defer></script>
      </head>
      <body>
        <a class="skip" href="#content">${texts.skip}</a>
        ${renderHeader(context, texts)}
        <main id="content">
          ${notice !== undefined && html`<p class="notice" role="status">${texts.notices[notice]}</p>`}
          ${content.body}
        </main>
        ${renderFooter(context, texts)}
      </body>
    </html>`,
  )}`
}

/** Renders an amount of money. */
export function formatPrice(won: number, { language }: Preferences): string {
  return new Intl.NumberFormat(language, { style: 'currency', currency: 'KRW' }).format(won)
}

function renderHeader({ user, path }: PageContext, texts: Texts): Html {
  const link = (href: PageContext['path'], text: string): Html =>
    html`<a href="${href}" ${path === href && html` aria-current="page"`}>${text}</a>`
  return html`<header>
    <a class="brand" href="/">${texts.title}</a>
    <nav>
      ${link('/', texts.home)}
      ${
        user
          ? html`${link('/account', user.username)}
              <form method="post" action="/logout"><button class="plain">${texts.logOut}</button></form>`
          : html`${link('/login', texts.logIn)} ${link('/register', texts.register)}`
      }
    </nav>
  </header>`
}

function renderFooter({ user, path, preferences }: PageContext, texts: Texts): Html {
  const { language, theme } = preferences
  const choice = (name: string, value: string, text: string, current: boolean): Html =>
    html`<button class="plain" name="${name}" value="${value}" aria-pressed="${String(current)}">
      ${text}
    </button>`
  return html`<footer>
    <p
      class="server"
      data-server
      data-known="${user ? 'yes' : 'no'}"
      data-answer="${texts.serverAnswer}"
      data-forgot="${texts.serverForgot}"
      hidden
    >
      <span data-server-text role="status"></span>
      <button class="plain" type="button" data-server-again>${texts.askAgain}</button>
    </p>
    <form class="preferences" method="post" action="/preferences" aria-label="${texts.preferences}">
      <input type="hidden" name="back" value="${path}" />
      <span lang="${language === 'ko' ? 'en' : 'ko'}">
        ${choice('language', language === 'ko' ? 'en' : 'ko', texts.otherLanguage, false)}
      </span>
      ${choice('theme', 'light', texts.light, theme === 'light')}
      ${choice('theme', 'dark', texts.dark, theme === 'dark')}
    </form>
  </footer>`
}

/** Names an asset by its content too, so that browsers may keep it for long. */
function assetUrl(name: string): string {
  const digest = createHash('sha256')
    .update(readFileSync(new URL(name, publicFolder)))
    .digest('base64url')
  return `/static/${name}?v=${digest.slice(0, 8)}`
}
