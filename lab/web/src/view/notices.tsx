/**
 * What happened, newest first.
 *
 * @module
 */

import type { VNode } from 'preact'
import { formatTime } from '../text/format.ts'
import { usePage } from './page.ts'

/** Draws the notices of the fleet. They are read out as they come by the messages over the page, not here. */
export function Notices(): VNode {
  const { lab, words } = usePage()
  const { notices } = lab.model.value

  return (
    <section class="panel" aria-labelledby="notices-title">
      <h2 id="notices-title">{words.t('notices')}</h2>
      {notices.length === 0 ? (
        <p class="hint empty">{words.t('noNotices')}</p>
      ) : (
        <ol class="notices" tabIndex={0} role="list" aria-labelledby="notices-title">
          {notices.map(({ id, level, text, at }) => (
            <li key={id} data-level={level} data-testid="notice">
              <time>{formatTime(at)}</time>
              <span>
                {level === 'warning' && <span class="visually-hidden">{words.t('warning')}: </span>}
                {words.of(text)}
              </span>
            </li>
          ))}
        </ol>
      )}
    </section>
  )
}
