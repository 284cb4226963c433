/**
 * The cart, for visitors as for users. It lives in the session.
 *
 * @module
 */

import { Router } from 'express'
import { answerChange, prefersHtml } from '../answers.ts'
import { addItem, removeItem } from '../cart.ts'
import { RequestError } from '../request-error.ts'
import { readItem } from '../validation.ts'
import { type RouteParts, tellNext } from './visitor.ts'

/** Creates `GET /cart`, `POST /cart` and `POST /cart/remove`. */
export function createCartRoutes({ sessions }: Pick<RouteParts, 'sessions'>): Router {
  const router = Router()

  router.get('/cart', async (request, response) => {
    const session = await sessions.load(request)
    response.json({ cart: session.get('cart') ?? [] })
  })

  router.post('/cart', async (request, response) => {
    const item = readItem(request.body)
    const session = await sessions.load(request)
    const cart = await session.update('cart', (cart = []) => addItem(cart, item))
    // Logged out by a parallel request: the item is nowhere.
    if (!cart) throw new RequestError('ERR_SESSION_ENDED')
    if (prefersHtml(request)) await tellNext(session, 'item-added')
    answerChange(request, response, '/', { cart })
  })

  router.post('/cart/remove', async (request, response) => {
    const item = readItem(request.body)
    const session = await sessions.load(request)
    const cart = session.isNew ? [] : await session.update('cart', (cart = []) => removeItem(cart, item))
    if (prefersHtml(request) && !session.isNew) await tellNext(session, 'item-removed')
    answerChange(request, response, '/', { cart: cart ?? [] })
  })

  return router
}
