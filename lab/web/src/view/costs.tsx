/**
 * What the copies of sessions cost: the strategy's price, server by server and all together.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { ServerState } from '../../../fleet/protocol.ts'
import { totalCosts } from '../state/costs.ts'
import { type Figure, serverFigures, totalFigures } from '../text/cost-figures.ts'
import { Badge } from './badge.tsx'
import { usePage } from './page.ts'

/** Properties of {@link Costs}. */
export interface CostsProps {
  readonly servers: readonly ServerState[]
  /** Changes come by a log, of which each server tells what it costs; else copies are near caches. */
  readonly withLog: boolean
}

/** Draws a row for each server; of one that tells nothing, dashes. */
export function Costs({ servers, withLog }: CostsProps): VNode {
  const { words } = usePage()
  const total = totalCosts(servers)

  return (
    <section class="panel costs" aria-labelledby="costs-title" data-testid="costs">
      <div class="panel-head">
        <h2 id="costs-title">{words.t('costs')}</h2>
        <p class="hint">{words.t(withLog ? 'costsHint' : 'costsHintCache', { n: total.changesPerSecond })}</p>
      </div>
      <div class="costs-scroll" tabIndex={0} role="region" aria-labelledby="costs-title">
        <table>
          <Head withLog={withLog} />
          <tbody>
            {servers.map(({ id, costs }) => (
              <tr key={id} data-testid={`costs-${id}`}>
                <th scope="row">
                  <Badge server={id} />
                </th>
                <Row figures={serverFigures(costs, withLog, words)} />
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr data-testid="costs-all">
              <th scope="row">{words.t('costs.all')}</th>
              <Row figures={totalFigures(total, withLog, words)} />
            </tr>
          </tfoot>
        </table>
      </div>
    </section>
  )
}

function Head({ withLog }: { readonly withLog: boolean }): VNode {
  const { words } = usePage()
  const rows = withLog ? 2 : 1

  return (
    <thead>
      <tr>
        <th scope="col" rowSpan={rows}>
          {words.t('servedBy')}
        </th>
        <th scope="col" rowSpan={rows}>
          {words.t('costs.copies')}
        </th>
        {withLog ? (
          <>
            <th scope="colgroup" colSpan={2}>
              {words.t('costs.received')}
            </th>
            <th scope="colgroup" colSpan={2}>
              {words.t('costs.sent')}
            </th>
            <th scope="col" rowSpan={rows}>
              {words.t('costs.lag')}
            </th>
          </>
        ) : (
          <th scope="col">{words.t('costs.changes')}</th>
        )}
        <th scope="col" rowSpan={rows}>
          {words.t('costs.lease')}
        </th>
        <th scope="col" rowSpan={rows}>
          {words.t('costs.reads')}
        </th>
      </tr>
      {withLog && (
        <tr>
          {['received', 'sent'].flatMap((way) => [
            <th key={`${way}-second`} scope="col">
              {words.t('costs.perSecond')}
            </th>,
            <th key={`${way}-write`} scope="col">
              {words.t('costs.perWrite')}
            </th>,
          ])}
        </tr>
      )}
    </thead>
  )
}

function Row({ figures }: { readonly figures: readonly Figure[] }): VNode {
  return (
    <>
      {figures.map(({ name, first = '–', second, bad = false }) => (
        <td key={name} data-figure={name} class={bad ? 'bad' : ''}>
          {first}
          {second !== undefined && <span>{second}</span>}
        </td>
      ))}
    </>
  )
}
