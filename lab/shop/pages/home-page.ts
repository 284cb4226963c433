/**
 * The shop window: goods, cart, and what is known of the session.
 *
 * @module
 */

import { catalogue, type CartLine, type Product, summarizeCart } from '../catalogue.ts'
import { type Html, html } from '../html.ts'
import { type Texts, textsIn } from '../texts/texts.ts'
import { formatPrice, type PageContext, renderPage } from './page.ts'

/** What the home page shows. */
export interface HomeContent {
  readonly cart: readonly string[]
  /** Public handle of the session; `undefined` when there is none. */
  readonly handle: string | undefined
  /** The store of sessions does not answer: nobody is known, nothing can be kept. */
  readonly outage: boolean
}

/** Renders the home page. */
export function renderHomePage(context: PageContext, content: HomeContent): string {
  const texts = textsIn(context.preferences.language)
  return renderPage(context, {
    title: texts.home,
    body: html`
      ${content.outage && html`<p class="warning" role="alert">${texts.outage}</p>`}
      <h1>${texts.tagline}</h1>
      ${content.cart.length > 0 && html`<a class="to-cart" href="#cart">${texts.cart} <span class="count">${content.cart.length}</span></a>`}
      <div class="columns">
        <section aria-labelledby="goods">
          <h2 id="goods">${texts.goods}</h2>
          <ul class="goods">
            ${catalogue.map((product) => renderProduct(product, context, texts, content.outage))}
          </ul>
        </section>
        <aside>
          ${
            content.outage
              ? html`<p class="card quiet">${texts.cartAway}</p>`
              : html`${renderCart(content, context, texts)} ${renderSession(content, context, texts)}`
          }
        </aside>
      </div>
    `,
  })
}

function renderProduct(product: Product, context: PageContext, texts: Texts, outage: boolean): Html {
  const name = product.name[context.preferences.language]
  return html`<li>
    <img src="/static/goods/${product.id}.svg" alt="" width="96" height="96" />
    <h3>${name}</h3>
    <p class="price">${formatPrice(product.price, context.preferences)}</p>
    <form method="post" action="/cart">
      <input type="hidden" name="item" value="${product.id}" />
      <button aria-label="${texts.addToCart}: ${name}" ${outage && html` disabled`}>
        ${texts.addToCart}
      </button>
    </form>
  </li>`
}

function renderCart({ cart }: HomeContent, context: PageContext, texts: Texts): Html {
  const lines = summarizeCart(cart)
  const total = lines.reduce((sum, { product, count }) => sum + (product?.price ?? 0) * count, 0)
  return html`<section class="card" aria-labelledby="cart">
    <h2 id="cart">${texts.cart} <span class="count">${cart.length}</span></h2>
    ${
      lines.length === 0
        ? html`<p class="quiet">${texts.cartEmpty}</p>`
        : html`<ul class="cart">
              ${lines.map((line) => renderCartLine(line, context, texts))}
            </ul>
            <p class="total">
              <span>${texts.total}</span> <strong>${formatPrice(total, context.preferences)}</strong>
            </p>`
    }
    <p class="quiet">${texts.cartKept}</p>
  </section>`
}

function renderCartLine({ item, product, count }: CartLine, context: PageContext, texts: Texts): Html {
  const name = product?.name[context.preferences.language] ?? item
  return html`<li>
    <span class="item">${name}</span>
    <span class="count">× ${count}</span>
    <form method="post" action="/cart/remove">
      <input type="hidden" name="item" value="${item}" />
      <button class="plain" aria-label="${texts.removeFromCart}: ${name}">−</button>
    </form>
  </li>`
}

function renderSession({ handle }: HomeContent, { user }: PageContext, texts: Texts): Html {
  return html`<section class="card" aria-labelledby="session">
    <h2 id="session">${texts.thisSession}</h2>
    <dl>
      <dt>${texts.user}</dt>
      <dd>${user?.username ?? texts.visitor}</dd>
      <dt>${texts.handle}</dt>
      <dd>
        ${handle === undefined ? texts.noSession : html`<code title="${texts.handleHint}">${handle.slice(0, 8)}</code>`}
      </dd>
    </dl>
  </section>`
}
