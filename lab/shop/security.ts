/**
 * What browsers must not be made to do for somebody else.
 *
 * @module
 */

import { isSameOrigin } from 'coatcheck/tokens'
import type { NextFunction, Request, Response } from 'express'
import { RequestError } from './request-error.ts'

const HEADERS = {
  'Content-Security-Policy': [
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  // Not `no-referrer`: browsers would then send `Origin: null` with the shop's own forms.
  'Referrer-Policy': 'same-origin',
}

/** Restricts what a page of the shop may load, and who may frame it. */
export function setSecurityHeaders(_request: Request, response: Response, next: NextFunction): void {
  response.set(HEADERS)
  next()
}

/**
 * Refuses a change that a page of another site or origin asked for.
 *
 * Browsers say so themselves, in `Sec-Fetch-Site` or in older ones in `Origin`. A client that sends neither is not a
 * browser, so it carries no cookies but its own.
 */
export function refuseCrossSite(request: Request, _response: Response, next: NextFunction): void {
  if (isSafe(request.method) || isFromHere(request)) next()
  else next(new RequestError('ERR_CROSS_SITE'))
}

function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

/** The origin as the browser knows it, behind whatever proxies there are. */
function isFromHere(request: Request): boolean {
  return isSameOrigin(request, { origin: `${request.protocol}://${request.host}` })
}
