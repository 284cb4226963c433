/**
 * The whole page.
 *
 * @module
 */

import type { VNode } from 'preact'
import { heldByServers, sessionHome } from '../state/home.ts'
import { Costs } from './costs.tsx'
import { Engines } from './engines.tsx'
import { Experiments } from './experiments.tsx'
import { FeedPanel } from './feed-panel.tsx'
import { Header } from './header.tsx'
import { Notices } from './notices.tsx'
import { usePage } from './page.ts'
import { ServerCard } from './server-card.tsx'
import { Stage } from './stage.tsx'
import { StrategyPicker } from './strategy-picker.tsx'
import { Toasts } from './toasts.tsx'
import { TrafficPanel } from './traffic-panel.tsx'

/** Draws everything, or that the fleet has not spoken yet. */
export function App(): VNode {
  const { lab, words } = usePage()
  const state = lab.state.value
  const held = state && heldByServers(sessionHome(state))

  return (
    <>
      <a class="skip" href="#servers">
        {words.t('skip')}
      </a>
      <Header />
      {lab.connection.value === 'lost' && (
        <p class="lost-banner" role="alert" data-testid="connection-lost">
          {words.t('connectionLostLong')}
        </p>
      )}
      {state ? (
        <main class="page" data-stale={lab.connection.value === 'lost'} aria-busy={state.switching}>
          <StrategyPicker state={state} />
          <div class="content">
            <div class="top">
              <Stage state={state} />
              <TrafficPanel strategy={state.strategy} traffic={state.traffic} />
            </div>
            <section id="servers" tabIndex={-1} aria-labelledby="servers-title">
              <h2 id="servers-title" class="visually-hidden">
                {words.t('servers')}
              </h2>
              <div class="servers">
                {state.servers.map((server) => (
                  <ServerCard key={server.id} server={server} />
                ))}
              </div>
            </section>
            {(held === 'all' || held === 'copies') && (
              <Costs servers={state.servers} withLog={held === 'all'} />
            )}
            {state.engines.length > 0 && <Engines engines={state.engines} />}
            <div class="bottom">
              <FeedPanel servers={state.servers} />
              <div class="stack">
                <Notices />
                <Experiments experiments={state.experiments} />
              </div>
            </div>
          </div>
        </main>
      ) : (
        <main class="loading" aria-busy="true">
          <span class="spinner" aria-hidden="true" />
          {words.t('loading')}
        </main>
      )}
      <Toasts />
    </>
  )
}
