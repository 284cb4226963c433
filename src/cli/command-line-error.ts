/**
 * The error of a wrong command line.
 *
 * @module
 */

/** The command line is wrong. The message says what to change, in one line. */
export class CommandLineError extends Error {
  override readonly name = 'CommandLineError'
  /** Stable identifier of this failure. */
  readonly code = 'ERR_COMMAND_LINE'
}
