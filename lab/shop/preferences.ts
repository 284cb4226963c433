/**
 * Language and theme, in a plain cookie of their own.
 *
 * Light settings that are no secret need no session: every server reads them from the request, no store is asked, and
 * they outlive logout and outage.
 *
 * @module
 */

import type { Request, Response } from 'express'

/** Languages of the shop. */
export type Language = 'ko' | 'en'

/** Colours of the pages. */
export type Theme = 'light' | 'dark'

/** How a person wants the pages. */
export interface Preferences {
  readonly language: Language
  /** `undefined`: as the operating system. */
  readonly theme: Theme | undefined
}

const COOKIE = 'prefs'
const COOKIE_LIFETIME = 365 * 24 * 60 * 60_000

/** Reads the preferences of a request: the cookie, else `Accept-Language`, else English. */
export function readPreferences(request: Request): Preferences {
  const [, language, theme] =
    /(?:^|;\s*)prefs=(ko|en)?\.(light|dark)?(?:;|$)/.exec(request.headers.cookie ?? '') ?? []
  const accepted = request.acceptsLanguages(['en', 'ko'])
  return {
    language: toLanguage(language) ?? toLanguage(accepted) ?? 'en',
    theme: toTheme(theme),
  }
}

/** Keeps the preferences that a form names; what it does not name, or names wrongly, stays as it was. */
export function savePreferences(
  request: Request,
  response: Response,
  form: Readonly<Record<string, unknown>>,
): void {
  const current = readPreferences(request)
  const language = toLanguage(form['language']) ?? current.language
  const theme = toTheme(form['theme']) ?? current.theme
  response.cookie(COOKIE, `${language}.${theme ?? ''}`, {
    httpOnly: true,
    sameSite: 'lax',
    secure: request.secure,
    maxAge: COOKIE_LIFETIME,
  })
}

function toLanguage(value: unknown): Language | undefined {
  return value === 'ko' || value === 'en' ? value : undefined
}

function toTheme(value: unknown): Theme | undefined {
  return value === 'light' || value === 'dark' ? value : undefined
}
