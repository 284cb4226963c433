/**
 * The letter and colour of a server, always together: colour alone says nothing to many eyes.
 *
 * @module
 */

import type { VNode } from 'preact'

/** Draws the letter of a server on its colour; a dash for the balancer itself. */
export function Badge({ server }: { readonly server: string | undefined }): VNode {
  return (
    <span class={`badge ${hueOf(server)}`} data-server={server ?? ''}>
      {server ?? '–'}
    </span>
  )
}

/** The class that gives an element a server's colour. Six are told apart by colour-blind eyes; then they repeat. */
export function hueOf(server: string | undefined): string {
  if (server === undefined || server === '') return 'hue-none'
  return `hue-${((server.codePointAt(0) ?? 65) + 1) % 6}`
}
