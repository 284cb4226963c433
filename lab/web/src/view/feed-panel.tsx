/**
 * The feed of requests: filter, pause, rows.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { ServerState } from '../../../fleet/protocol.ts'
import { FEED_LIMIT, type FeedFilter, visibleRows } from '../state/feed.ts'
import { shortHandle } from '../text/format.ts'
import { FeedRow } from './feed-row.tsx'
import { usePage } from './page.ts'

/** Draws the feed. */
export function FeedPanel({ servers }: { readonly servers: readonly ServerState[] }): VNode {
  const { lab, words } = usePage()
  const { feed } = lab.model.value
  const paused = feed.frozen !== undefined
  const rows = visibleRows(feed, lab.filter.value)

  return (
    <section class="panel feed" aria-labelledby="feed-title" data-testid="feed">
      <div class="panel-head">
        <h2 id="feed-title">{words.t('feed')}</h2>
        <p class="hint">
          {words.t('feedHint', { n: FEED_LIMIT })}
          {feed.dropped > 0 && <> {words.t('droppedRequests', { n: feed.dropped })}</>}
        </p>
      </div>
      <div class="feed-tools">
        <Filters servers={servers} />
        <Followed />
        {paused && feed.held > 0 && (
          <span class="tag accent" data-testid="feed-held">
            {words.t('heldRequests', { n: feed.held })}
          </span>
        )}
        <button
          type="button"
          class="button small"
          data-testid="feed-pause"
          aria-pressed={paused}
          onClick={() => lab.pause(!paused)}
        >
          {words.t(paused ? 'resumeFeed' : 'pauseFeed')}
        </button>
      </div>
      <div class="feed-scroll" tabIndex={0} role="region" aria-labelledby="feed-title">
        {rows.length === 0 ? (
          <p class="hint empty">{words.t('feedEmpty')}</p>
        ) : (
          <table>
            <thead>
              <tr>
                <th scope="col">{words.t('time')}</th>
                <th scope="col">{words.t('request')}</th>
                <th scope="col">{words.t('statusCode')}</th>
                <th scope="col">{words.t('servedBy')}</th>
                <th scope="col">{words.t('routedBy')}</th>
                <th scope="col">{words.t('session')}</th>
                <th scope="col" class="number">
                  {words.t('duration')}
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((entry) => (
                <FeedRow key={`${entry.at}-${entry.seq}`} entry={entry} />
              ))}
            </tbody>
          </table>
        )}
      </div>
    </section>
  )
}

function Filters({ servers }: { readonly servers: readonly ServerState[] }): VNode {
  const { lab, words } = usePage()
  const options: { readonly id: string; readonly filter: FeedFilter; readonly label: string }[] = [
    { id: 'all', filter: 'all', label: words.t('filterAll') },
    ...servers.map(({ id }) => ({ id, filter: { server: id }, label: id })),
    { id: 'balancer', filter: 'balancer', label: words.t('filterBalancer') },
  ]
  const { value: current } = lab.filter
  const chosen = typeof current === 'string' ? current : current.server

  return (
    <div class="segments" role="group" aria-label={words.t('filter')}>
      {options.map(({ id, filter, label }) => (
        <button
          key={id}
          type="button"
          data-testid={`filter-${id}`}
          aria-pressed={id === chosen}
          onClick={() => lab.filterBy(filter)}
        >
          {label}
        </button>
      ))}
    </div>
  )
}

/** Says which session is highlighted, and lets go of it. */
function Followed(): VNode | undefined {
  const { lab, words } = usePage()
  const handle = lab.followed.value
  if (handle === undefined) return undefined
  const short = shortHandle(handle)

  return (
    <button
      type="button"
      class="tag accent"
      data-testid="followed"
      aria-label={words.t('unfollow', { handle: short })}
      onClick={() => lab.follow(undefined)}
    >
      {words.t('following', { handle: short })} <span aria-hidden="true">×</span>
    </button>
  )
}
