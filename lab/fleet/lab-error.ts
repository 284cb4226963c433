/**
 * What the lab answers when it cannot do what it was asked for.
 *
 * @module
 */

/** All codes of {@link LabError}, and the HTTP status that each is answered with. */
export const labErrorStatus = {
  ERR_BAD_REQUEST: 400,
  ERR_FOREIGN_ORIGIN: 403,
  ERR_UNKNOWN_NAME: 404,
  ERR_METHOD_NOT_ALLOWED: 405,
  ERR_CONFLICT: 409,
  ERR_TOO_LARGE: 413,
  ERR_INTERNAL: 500,
  ERR_UNAVAILABLE: 503,
} as const

/** Stable identifier of a {@link LabError}. */
export type LabErrorCode = keyof typeof labErrorStatus

/** The lab cannot do what it was asked for. */
export class LabError extends Error {
  override readonly name = 'LabError'
  readonly code: LabErrorCode

  constructor(code: LabErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Says that there is no such name, and which ones there are. */
export function unknownName(what: string, name: string, known: readonly string[]): LabError {
  return new LabError(
    'ERR_UNKNOWN_NAME',
    `There is no ${what} "${name}". Known: ${known.join(', ') || 'none'}`,
  )
}
