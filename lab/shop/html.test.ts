import { describe, expect, it } from 'vitest'
import { html, renderHtml } from './html.ts'

describe('html``', () => {
  it('escapes what is inserted, in text and in attributes', () => {
    const attack = `"><script>alert('&')</script>`

    const piece = html`<p title="${attack}">${attack}</p>`

    const escaped = '&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;'
    expect(renderHtml(piece)).toBe(`<p title="${escaped}">${escaped}</p>`)
  })

  it('inserts HTML and lists of HTML as they are', () => {
    const items = ['<a>', 'b'].map((item) => html`<li>${item}</li>`)

    const piece = html`<ul>
      ${items}
    </ul>`

    expect(renderHtml(piece).replace(/\s/g, '')).toBe('<ul><li>&lt;a&gt;</li><li>b</li></ul>')
  })

  it('leaves nothing for undefined and false, and writes 0', () => {
    const piece = html`[${undefined}${false}${0}]`

    expect(renderHtml(piece)).toBe('[0]')
  })

  it('does not take data that merely looks like HTML for HTML', () => {
    const forged = JSON.parse('{"html":"<script>"}') as never

    const piece = html`${forged}`

    expect(renderHtml(piece)).not.toContain('<script>')
  })
})
