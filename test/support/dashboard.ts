/**
 * The dashboard of the lab as a person uses it: by its buttons and fields, in English.
 *
 * @module
 */

import type { BrowserContext, Locator, Page } from 'playwright-core'
import type { ServerStatus } from '../../lab/fleet/protocol.ts'

/** How long figures may take to become what they should be, in milliseconds. */
export const PATIENCE = { timeout: 20_000 }

/** No multiple of the number of servers: nobody falls into step with a balancer that takes servers in turn. */
export const VISITORS = 11

/** Figures of the virtual visitors. */
export interface Figures {
  /** Visitors whose latest answer knew them. */
  readonly kept: number
  /** Visitors whose login was acknowledged. */
  readonly total: number
  /** Times that one was answered as a stranger. */
  readonly lost: number
  readonly crossUser: number
  readonly requests: number
}

/** An open dashboard. */
export interface Dashboard {
  readonly page: Page
  server(id: string): Locator
  /** Presses a button such as `Kill B`, and waits until the server's card shows what it led to. */
  press(button: string, status: ServerStatus): Promise<void>
  /** Chooses a strategy that is not the present one, and waits until it runs. */
  choose(strategy: string): Promise<void>
  /** Lets at least one visitor in, in either language. */
  letIn(visitors: number, rate: number): Promise<void>
  figures(): Promise<Figures>
  /** Sessions of users that the card of a server lists. */
  logins(id: string): Promise<number>
}

/** Opens the dashboard in a tab of its own. */
export async function openDashboard(context: BrowserContext, control: string): Promise<Dashboard> {
  const page = await context.newPage()
  await page.goto(control)
  await page.locator('[data-testid="connection"][data-connection="open"]').waitFor()

  /** Types a number as a person does, and waits until the lab has said yes. */
  async function enter(id: string, value: number): Promise<void> {
    const field = page.getByTestId(id)
    await field.selectText()
    await field.pressSequentially(String(value))
    const answered = page.waitForResponse((response) => response.url().endsWith('/api/traffic'))
    await field.press('Enter')
    const answer = await answered
    if (!answer.ok()) throw new Error(`The lab refused ${value} ${id}: ${answer.status()}`)
  }

  return {
    page,
    server: (id) => page.getByTestId(`server-${id}`),
    async press(button, status) {
      await page.getByRole('button', { name: button, exact: true }).click()
      await page.locator(`[data-testid="server-${button.at(-1)}"][data-status="${status}"]`).waitFor()
    },
    async choose(strategy) {
      const option = `[data-testid="strategy-${strategy}"]`
      await page.locator(option).click()
      // Six servers of a cluster take their time on a busy machine.
      await page.locator(`${option}[aria-pressed="true"][aria-disabled="false"]`).waitFor({ timeout: 60_000 })
    },
    async letIn(visitors, rate) {
      await enter('visitors', visitors)
      // The page sends both numbers with each change, the other one as the lab told it last.
      await page.getByText(new RegExp(`^(${visitors} visitors|방문자 ${visitors}명)$`)).waitFor()
      await enter('rate', rate)
    },
    async figures() {
      // All of them in one look: the page is redrawn at any moment.
      const shown = await page
        .locator('[data-value], [data-kept]')
        .evaluateAll((elements) => elements.map(({ dataset }) => ({ ...dataset })))
      const find = (id: string) => shown.find(({ testid }) => testid === id)
      return {
        kept: Number(find('kept')?.['kept']),
        total: Number(find('kept')?.['total']),
        lost: Number(find('lost')?.['value']),
        crossUser: Number(find('cross-user')?.['value']),
        requests: Number(find('requests')?.['value']),
      }
    },
    logins: (id) =>
      page.locator(`[data-testid="server-${id}"] [data-testid="session"][data-user="true"]`).count(),
  }
}
