/**
 * Starts the dashboard: joins the fleet's events and controls to the page.
 *
 * @module
 */

import { effect } from '@preact/signals'
import { render } from 'preact'
import { createControl } from './state/control.ts'
import { createEventStream } from './state/event-stream.ts'
import { createLab } from './state/lab.ts'
import { createToasts } from './state/toasts.ts'
import { createWords } from './text/words.ts'
import { App } from './view/app.tsx'
import { PageContext } from './view/page.ts'
import './style/base.css'
import './style/frame.css'
import './style/controls.css'
import './style/panels.css'
import './style/strategies.css'
import './style/stage.css'
import './style/servers.css'
import './style/costs.css'
import './style/visitors.css'
import './style/feed.css'
import './style/experiments.css'

function schedule(callback: () => void, delay: number): () => void {
  const timer = setTimeout(callback, delay)
  return () => clearTimeout(timer)
}

const words = createWords(localStorage, navigator.language)
const lab = createLab(createControl(fetch.bind(globalThis)), {
  toasts: createToasts({ schedule }),
  now: () => performance.now(),
})

effect(() => {
  document.documentElement.lang = words.language.value
  document.title = words.t('title')
})

createEventStream({
  open: () => new EventSource('/api/events'),
  onEvent: (event) => lab.receive(event),
  onConnection: (connection) => lab.setConnection(connection),
  schedule,
})

render(
  <PageContext.Provider value={{ lab, words }}>
    <App />
  </PageContext.Provider>,
  document.querySelector('#app')!,
)
