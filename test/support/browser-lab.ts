/**
 * A browser and a lab for the tests of a suite.
 *
 * @module
 */

import { afterAll, afterEach, beforeAll } from 'vitest'
import { type Chromium, startChromium } from './chromium.ts'
import { type Lab, startLab } from './lab.ts'

/** Starts Chromium and a lab for a suite. What a test has opened is closed with it, and it fails when a page complained. */
export function useBrowserLab(start: () => Promise<Lab> = startLab) {
  let chromium: Chromium | undefined
  let lab: Lab | undefined

  beforeAll(async () => {
    chromium = await startChromium()
    lab = await start()
  })

  afterEach(() => chromium?.closeAll())

  afterAll(async () => {
    await chromium?.close()
    await lab?.stop()
  })

  return { chromium: () => chromium as Chromium, lab: () => lab as Lab }
}
