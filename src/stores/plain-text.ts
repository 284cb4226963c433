/**
 * Any text as text that every database keeps.
 *
 * PostgreSQL knows no NUL and libsql cuts text there; UTF-8 has no lone surrogates. The engine's own JSON has neither,
 * but a user id may.
 *
 * @module
 */

/// <reference lib="es2024.string" />

const UNSAFE = /[\0\uffff]|\p{Surrogate}/gu
const ESCAPED = /\uffff([0-9a-f]{4})/g

/** Writes text as a database keeps it. All but a few texts stay as they are. */
export function toText(text: string): string {
  // Three native scans take 0.04 µs for 2,000 characters of Latin-1; the expression alone takes 1.5 µs.
  if (text.isWellFormed() && !text.includes('\0') && !text.includes('\uffff')) return text
  return text.replace(UNSAFE, (character) => `\uffff${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Reads text that {@link toText} wrote. */
export function fromText(text: string): string {
  if (!text.includes('\uffff')) return text
  return text.replace(ESCAPED, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
