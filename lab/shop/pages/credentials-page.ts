/**
 * The forms to log in and to register.
 *
 * @module
 */

import { type Html, html } from '../html.ts'
import { type ErrorText, textsIn } from '../texts/texts.ts'
import { type PageContext, renderPage } from './page.ts'

/** What a form shows that was refused. */
export interface RefusedCredentials {
  readonly error: ErrorText
  /** What was typed, to be corrected. The password is never sent back. */
  readonly username: string
}

/** Renders `/login` or `/register`, as the context's path says. */
export function renderCredentialsPage(context: PageContext, refused?: RefusedCredentials): string {
  const texts = textsIn(context.preferences.language)
  const registering = context.path === '/register'
  const title = registering ? texts.register : texts.logIn
  const describedBy = (hint: string): Html => html` aria-describedby="${refused ? `error ${hint}` : hint}"`
  return renderPage(context, {
    title,
    body: html`<section class="card narrow">
      <h1>${title}</h1>
      ${refused && html`<p class="warning" role="alert" id="error">${texts.errors[refused.error]}</p>`}
      <form method="post" action="${registering ? '/register' : '/login'}" class="stack">
        <label for="username">${texts.username}</label>
        <input
          id="username"
          name="username"
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
          maxlength="64"
          required
          value="${refused?.username}"
          ${describedBy('username-hint')}
        />
        <p class="quiet" id="username-hint">${registering && texts.usernameHint}</p>
        <label for="password">${texts.password}</label>
        <input
          id="password"
          name="password"
          type="password"
          maxlength="256"
          required
          autocomplete="${registering ? 'new-password' : 'current-password'}"
          ${registering && html` minlength="8"`}${describedBy('password-hint')}
        />
        <p class="quiet" id="password-hint">${registering && texts.passwordHint}</p>
        <label class="check"><input type="checkbox" name="remember" value="true" /> ${texts.remember}</label>
        <button>${title}</button>
      </form>
      <p class="quiet">
        ${
          registering
            ? html`${texts.haveAccount} <a href="/login">${texts.logIn}</a>`
            : html`${texts.noAccountYet} <a href="/register">${texts.register}</a>`
        }
      </p>
    </section>`,
  })
}
