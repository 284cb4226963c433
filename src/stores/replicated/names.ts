/**
 * Keys of the log: what an entry is for is its first letter.
 *
 * @module
 */

/** Key of the secret that all servers authenticate stamps with. */
export const SECRET = 'secret'
/** Key of the lease by which one server at a time sweeps. */
export const SWEEPER = 'sweeper'

const SESSION = 's.'
const ASIDE = 'x.'
const ECHO = 'e.'
const CLAIM = 'd.'

const PLAIN = /^[\w-]{1,128}$/

/** Key of a session's entry. Session keys are base64url; any other text is encoded. */
export function sessionName(key: string): string {
  return SESSION + encode(key)
}

/** Key under which a damaged record is set aside. */
export function asideName(key: string): string {
  return ASIDE + encode(key)
}

/** Key under which a server says that it is deleting a session. */
export function claimName(key: string): string {
  return CLAIM + encode(key)
}

/** Key of the nonces of one process. */
export function echoName(owner: string): string {
  return ECHO + owner
}

/** The session key of an entry; `undefined` when it is not a session's. */
export function sessionKeyOf(name: string): string | undefined {
  return name.startsWith(SESSION) ? decode(name.slice(SESSION.length)) : undefined
}

/** The session key of a claim; `undefined` when it is none. */
export function claimedKeyOf(name: string): string | undefined {
  return name.startsWith(CLAIM) ? decode(name.slice(CLAIM.length)) : undefined
}

/** Whose nonce an entry is; `undefined` when it is none. */
export function echoOwnerOf(name: string): string | undefined {
  return name.startsWith(ECHO) ? name.slice(ECHO.length) : undefined
}

function encode(key: string): string {
  return PLAIN.test(key) ? key : `=${Buffer.from(key, 'utf16le').toString('base64url')}`
}

function decode(text: string): string {
  return text.startsWith('=') ? Buffer.from(text.slice(1), 'base64url').toString('utf16le') : text
}
