/**
 * Answers in the form that the client wants: pages and redirects for browsers, JSON for everybody else.
 *
 * @module
 */

import type { ErrorRequestHandler, NextFunction, Request, Response } from 'express'
import { renderErrorPage } from './pages/error-page.ts'
import { readPreferences } from './preferences.ts'
import { describeProblem, RequestError } from './request-error.ts'
import { textsIn } from './texts/texts.ts'

/** Takes note of an error that nobody foresaw. */
export type ErrorLog = (error: unknown, request: { readonly method: string; readonly path: string }) => void

/** Whether the client would rather have HTML than JSON. One that takes anything, as `curl` does, gets JSON. */
export function prefersHtml(request: Request): boolean {
  return request.accepts(['json', 'html']) === 'html'
}

/**
 * Answers a change that worked: a browser goes to a page, so that a reload does not repeat the change.
 *
 * @param body JSON for other clients; `undefined` for an answer without a body.
 */
export function answerChange(request: Request, response: Response, location: string, body?: object): void {
  if (prefersHtml(request)) response.redirect(303, location)
  else if (body) response.json(body)
  else response.status(204).end()
}

/** Ends a request for which there is no route. */
export function answerNotFound(_request: Request, _response: Response, next: NextFunction): void {
  next(new RequestError('ERR_NOT_FOUND'))
}

/** Creates the last middleware. It asks neither the store nor the users' database, as those may be what failed. */
export function answerErrors(log: ErrorLog): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    const problem = describeProblem(error)
    if (problem.status === 500) log(error, { method: request.method, path: request.path })
    if (response.headersSent) {
      next(error)
      return
    }
    const preferences = readPreferences(request)
    response.status(problem.status).set('Cache-Control', 'no-store').set(problem.headers)
    if (prefersHtml(request)) {
      response.type('html').send(renderErrorPage(preferences, problem))
      return
    }
    const message = textsIn(preferences.language).errors[problem.text]
    response.json({ error: { code: problem.code, message } })
  }
}
