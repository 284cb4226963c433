/**
 * One HTTP request and its answer, as far as sessions need them. Every framework is translated to this.
 *
 * @module
 */

/** A request and the answer to it. Adapters implement it; the engine knows nothing else of HTTP. */
export interface HttpExchange {
  /** Value of a request header by its lower-case name; `undefined` without one. */
  header(name: string): string | undefined
  /** Whether the client's own connection is encrypted, as far as the framework trusts its proxy to say so. */
  readonly secure: boolean
  /** Path of the request, without its query. */
  readonly path: string
  /** Client's network address, as far as the framework trusts its proxy to say so. */
  readonly address: string | undefined
  /** Whether the answer has begun, so that its headers can no longer be changed. */
  readonly headersSent: boolean
  /** Value of a header of the answer so far. */
  responseHeader(name: string): string | undefined
  setResponseHeader(name: string, value: string): void
  /** Adds a `Set-Cookie` header to the answer. */
  appendCookie(cookie: string): void
  /**
   * Has something done before the headers leave. A promise holds the answer back until it resolves; if it rejects,
   * the error is answered in place of what the application wrote.
   *
   * @returns `false` when they have left, or are about to: the hook is not called.
   */
  beforeHeaders(hook: () => Promise<void> | undefined): boolean
}

/** Something that exchanges can be kept on. */
interface Anchor {
  [ties]?: Tie
}

interface Tie {
  readonly request: object
  readonly exchange: HttpExchange
}

const ties = Symbol('coatcheck exchange')

/** Ties an exchange to the request object that the application will pass to `load`. The first one stays. */
export function attachExchange(request: object, exchange: HttpExchange): void {
  const anchor = anchorOf(request)
  const tie = anchor[ties]
  if (tie === undefined) anchor[ties] = { request, exchange }
  // Node never gives two requests one list of headers, but a test may.
  else if (tie.request !== request) (request as Anchor)[ties] ??= { request, exchange }
}

/** Finds the exchange of a request object, or of what wraps one; `undefined` when no adapter saw it. */
export function exchangeOf(request: object): HttpExchange | undefined {
  const tie = anchorOf(request)[ties]
  if (tie === undefined || tie.request === request) return tie?.exchange
  return ((request as Anchor)[ties] ?? tie).exchange
}

/**
 * What a request's exchange is kept on: of a request of Node, its list of headers.
 *
 * The request itself would be a dearer place: in Express V8 would make a shape for it, or enlarge its table of properties; and whoever
 * copies a request's own properties would find ours among them.
 */
function anchorOf(request: object): Anchor {
  return ((request as { rawHeaders?: string[] }).rawHeaders as Anchor | undefined) ?? request
}
