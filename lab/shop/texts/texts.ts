/**
 * The words of the shop's pages, in each language.
 *
 * @module
 */

import type { Language } from '../preferences.ts'
import type { RequestErrorCode } from '../request-error.ts'
import type { NoticeCode } from '../shop-session.ts'
import { english } from './english.ts'
import { korean } from './korean.ts'

/** Names of the texts that explain a failure. */
export type ErrorText =
  | RequestErrorCode
  | 'unavailable'
  | 'superseded'
  | 'tooLarge'
  | 'badRequest'
  | 'internal'

/** Everything that a page says in one language. */
export interface Texts {
  readonly title: string
  readonly tagline: string
  readonly skip: string
  readonly home: string
  readonly logIn: string
  readonly logOut: string
  readonly register: string
  readonly account: string
  readonly otherLanguage: string
  readonly preferences: string
  readonly light: string
  readonly dark: string
  readonly username: string
  readonly usernameHint: string
  readonly password: string
  readonly passwordHint: string
  readonly remember: string
  readonly noAccountYet: string
  readonly haveAccount: string
  readonly goods: string
  readonly addToCart: string
  readonly removeFromCart: string
  readonly cart: string
  readonly cartEmpty: string
  readonly total: string
  readonly cartKept: string
  readonly cartAway: string
  readonly outage: string
  readonly visitor: string
  readonly user: string
  readonly thisSession: string
  readonly handle: string
  readonly handleHint: string
  readonly began: string
  readonly lastUsed: string
  readonly ends: string
  readonly noSession: string
  readonly yourSessions: string
  readonly sessionsHint: string
  /** In its place where the store cannot find a user's sessions. */
  readonly sessionsUnknown: string
  readonly device: string
  readonly current: string
  readonly remembered: string
  readonly endSession: string
  readonly logOutOthers: string
  readonly unknownDevice: string
  /** `%browser%` and `%system%` stand for themselves. */
  readonly browserOnSystem: string
  readonly server: string
  /** `%server%` and `%reason%` are filled in by the script of the page. */
  readonly serverAnswer: string
  readonly serverForgot: string
  readonly askAgain: string
  readonly backHome: string
  readonly notices: Readonly<Record<NoticeCode, string>>
  readonly errors: Readonly<Record<ErrorText, string>>
}

/** Gets the texts of a language. */
export function textsIn(language: Language): Texts {
  return language === 'ko' ? korean : english
}
