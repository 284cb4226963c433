/**
 * The page of a failure. It knows no session: whatever failed may be just that.
 *
 * @module
 */

import { html } from '../html.ts'
import type { Preferences } from '../preferences.ts'
import type { Problem } from '../request-error.ts'
import { textsIn } from '../texts/texts.ts'
import { renderPage } from './page.ts'

/** Renders a failure. */
export function renderErrorPage(preferences: Preferences, problem: Problem): string {
  const texts = textsIn(preferences.language)
  return renderPage(
    { preferences, user: undefined, path: '/', notice: undefined },
    {
      title: String(problem.status),
      body: html`<section class="card narrow">
        <h1>${texts.errors[problem.text]}</h1>
        <p class="quiet"><code>${problem.status} ${problem.code}</code></p>
        <p><a href="/">${texts.backHome}</a></p>
      </section>`,
    },
  )
}
