/**
 * HTML as a tagged template: what is inserted is escaped unless it is HTML itself.
 *
 * @module
 */

const source = Symbol('html')

/** A piece of HTML that is safe to send, made by {@link html}. */
export interface Html {
  readonly [source]: string
}

/** What may stand in a template. `undefined` and `false` leave nothing. */
export type HtmlValue = string | number | Html | readonly Html[] | undefined | false

/**
 * Builds HTML. Attribute values in a template must be quoted: `<a href="${url}">`.
 *
 * It escapes for text and quoted attributes, which is not enough for URLs from outside or for the inside of a script.
 */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = parts[0] ?? ''
  for (const [index, value] of values.entries()) text += stringify(value) + (parts[index + 1] ?? '')
  return { [source]: text }
}

/** Gets the text of a piece of HTML, to be sent as `text/html`. */
export function renderHtml(piece: Html): string {
  return piece[source]
}

function stringify(value: HtmlValue): string {
  if (value === undefined || value === false) return ''
  if (typeof value === 'string') return escape(value)
  if (typeof value === 'number') return String(value)
  if (isList(value)) return value.map(renderHtml).join('')
  return renderHtml(value)
}

/** `Array.isArray` does not narrow read-only arrays. */
function isList(value: Html | readonly Html[]): value is readonly Html[] {
  return Array.isArray(value)
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}
