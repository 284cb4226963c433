/**
 * Real Chromium for tests: always with a fresh profile, and never quiet about what a page complains of.
 *
 * @module
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core'

// The first has no windows, and takes less than half the time of a processor for the same pages.
const program = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find((path) => existsSync(path))
const screenshots = process.env['COATCHECK_SCREENSHOTS']

/** Whether tests that need Chromium are to be skipped: it is not installed, and nobody insists on it. */
export const skipsChromium = program === undefined && process.env['COATCHECK_REQUIRE_SERVERS'] !== '1'

/** Why, for the name of what is skipped; empty when it runs. */
export const chromiumNeeded = skipsChromium
  ? ' (needs Chromium: apt-get install chromium-headless-shell)'
  : ''

/** A person's computer. */
export interface Chromium {
  /** Opens a browser that knows nothing yet, as another person or on another device would. */
  open(options?: BrowserContextOptions): Promise<BrowserContext>
  /** Opens a browser that keeps in the folder what browsers keep when they are closed. */
  openProfile(folder: string): Promise<BrowserContext>
  /**
   * Closes the browsers that were opened so far.
   *
   * @throws When a page had an uncaught error, or wrote an error to its console, as for what its policy forbids.
   */
  closeAll(): Promise<void>
  close(): Promise<void>
}

const settings = {
  executablePath: program ?? '/usr/bin/chromium',
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
}
const defaults = { locale: 'en-US', viewport: { width: 1440, height: 1000 } }

/** Starts Chromium. */
export async function startChromium(): Promise<Chromium> {
  const browser: Browser = await chromium.launch(settings)
  const contexts: BrowserContext[] = []
  const complaints: string[] = []

  function watch(context: BrowserContext): BrowserContext {
    context.setDefaultTimeout(20_000)
    context.on('weberror', (error) => complaints.push(String(error.error())))
    context.on('console', (message) => {
      // A 401 is how a stranger is told so.
      if (message.type() !== 'error' || message.text().startsWith('Failed to load resource')) return
      complaints.push(message.text())
    })
    contexts.push(context)
    return context
  }

  return {
    open: async (options) => watch(await browser.newContext({ ...defaults, ...options })),
    openProfile: async (folder) =>
      watch(await chromium.launchPersistentContext(folder, { ...settings, ...defaults })),
    async closeAll() {
      for (const context of contexts.splice(0)) await context.close()
      if (complaints.length > 0) throw new Error(`Pages complained: ${complaints.splice(0).join('; ')}`)
    },
    close: () => browser.close(),
  }
}

/** Saves a picture for people, in the folder `COATCHECK_SCREENSHOTS`; takes none without it, as each costs half a second. */
export async function photograph(page: Page, name: string): Promise<void> {
  if (screenshots === undefined) return
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true, animations: 'disabled' })
}
