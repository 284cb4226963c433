/**
 * Head of the page: name, connection, shop, language.
 *
 * @module
 */

import type { VNode } from 'preact'
import { usePage } from './page.ts'

/** Draws the head of the page. */
export function Header(): VNode {
  const { lab, words } = usePage()
  const connection = lab.connection.value
  const shop = lab.state.value?.shop
  const other = words.language.value === 'en' ? 'ko' : 'en'
  const label = {
    connecting: words.t('connectionConnecting'),
    open: words.t('connectionOpen'),
    lost: words.t('connectionLost'),
  }[connection]

  return (
    <header class="header">
      <Logo />
      <div class="header-title">
        <h1>{words.t('title')}</h1>
        <p>{words.t('tagline')}</p>
      </div>
      <span class="connection" data-connection={connection} data-testid="connection" role="status">
        {label}
      </span>
      {shop && (
        <a class="button primary" href={shop} target="_blank" rel="noopener" data-testid="open-shop">
          {words.t('openShop')}
          <svg viewBox="0 0 12 12" aria-hidden="true">
            <path d="M3.5 8.5l5-5M4.5 3.5h4v4" />
          </svg>
          <span class="visually-hidden"> ({words.t('newTab')})</span>
        </a>
      )}
      <button
        type="button"
        class="button"
        lang={other}
        data-testid="language"
        onClick={() => words.choose(other)}
      >
        {words.t('otherLanguage')}
      </button>
    </header>
  )
}

/** A ticket with a hanger. */
function Logo(): VNode {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M4 6h24a2 2 0 0 1 2 2v4a4 4 0 0 0 0 8v4a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2v-4a4 4 0 0 0 0-8V8a2 2 0 0 1 2-2z" />
      <path
        class="logo-hanger"
        d="M14 11.5a2 2 0 1 1 2.6 1.9c-.4.1-.6.5-.6 1v.8l6.8 4.4a.8.8 0 0 1-.4 1.4H9.6a.8.8 0 0 1-.4-1.4L16 15.2"
      />
    </svg>
  )
}
