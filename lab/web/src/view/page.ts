/**
 * What every part of the page works with.
 *
 * @module
 */

import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Lab } from '../state/lab.ts'
import type { Words } from '../text/words.ts'

/** The lab and the words to speak of it. */
export interface Page {
  readonly lab: Lab
  readonly words: Words
}

/** Carries the {@link Page} to the components. */
export const PageContext = createContext<Page | undefined>(undefined)

/** The page that a component is on. */
export function usePage(): Page {
  const page = useContext(PageContext)
  if (!page) throw new TypeError('Cannot draw outside of a PageContext')
  return page
}
