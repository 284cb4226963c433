/**
 * No session is kept anywhere: what a server has to know comes with the request.
 *
 * @module
 */

import { createSealedSessions } from 'coatcheck'
import type { ShopSession } from '../../shop/shop-session.ts'
import { findMissingSqlite } from '../missing-servers.ts'
import type { Strategy } from '../strategy.ts'

/** Session data in an encrypted cookie. */
export const sealed: Strategy = {
  name: 'sealed',
  title: { en: 'Sealed cookie', ko: '암호화 쿠키' },
  summary: {
    en: 'The session itself is in the cookie, encrypted. No server keeps it; what is logged out is told to all within 2 s.',
    ko: '세션 자체가 암호화되어 쿠키 안에 있습니다. 서버는 아무것도 보관하지 않고, 로그아웃은 2초 안에 모든 서버에 알려집니다.',
  },
  routing: 'round-robin',
  promises: { anyServer: true, survivesServerDeath: true },
  unavailable: findMissingSqlite,
  open: async ({ tokens: { revocations, secretsFor } }) => ({
    sessions: createSealedSessions<ShopSession>(secretsFor('sessions'), revocations, {
      allowInsecureCookie: true,
      // No store decides what time it is. The clocks of servers may differ, and that of the revocations does not.
      now: () => revocations.now(),
    }),
    close: async () => undefined,
  }),
}

/** A signed token in place of the session cookie, for whoever calls the shop from a program. */
export const token: Strategy = {
  ...sealed,
  name: 'token',
  title: { en: 'Stateless token (JWT)', ko: '무상태 토큰 (JWT)' },
  summary: {
    en: 'A login is exchanged for a signed token that any server verifies by itself; a refresh token renews it.',
    ko: '로그인을 서명된 토큰으로 바꾸면 어느 서버든 스스로 검증합니다. 만료되면 리프레시 토큰으로 갱신합니다.',
  },
  credentials: 'bearer',
}
