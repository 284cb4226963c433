/**
 * Experiments of the fault matrix: run one, see promise and measurement side by side.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { ExperimentInfo, ExperimentResult } from '../../../fleet/protocol.ts'
import { formatDuration } from '../text/format.ts'
import { usePage } from './page.ts'

/** Draws the experiments of the fleet. */
export function Experiments({ experiments }: { readonly experiments: readonly ExperimentInfo[] }): VNode {
  const { lab, words } = usePage()
  const running = experiments.find(({ name }) => lab.isPending(`experiments/${name}`))

  return (
    <section class="panel" aria-labelledby="experiments-title">
      <div class="panel-head">
        <h2 id="experiments-title">{words.t('experiments')}</h2>
        <p class="hint">{words.t('experimentsHint')}</p>
      </div>
      {experiments.length === 0 && <p class="hint empty">{words.t('noExperiments')}</p>}
      <ul class="experiments">
        {experiments.map(({ name, title }) => {
          const result = lab.results.value[name]
          return (
            <li
              key={name}
              class="experiment"
              data-testid={`experiment-${name}`}
              aria-busy={running?.name === name}
            >
              <div class="experiment-head">
                <span class="tag mono">{name}</span>
                <h3>{words.of(title)}</h3>
                <button
                  type="button"
                  class="button small"
                  aria-label={words.t('runExperiment', { name })}
                  aria-disabled={running !== undefined}
                  onClick={() => !running && void lab.runExperiment(name)}
                >
                  {words.t(running?.name === name ? 'runningExperiment' : 'run')}
                </button>
              </div>
              {running?.name === name ? <progress aria-label={words.t('runningExperiment')} /> : undefined}
              {result && running?.name !== name && <Result result={result} />}
            </li>
          )
        })}
      </ul>
    </section>
  )
}

function Result({ result }: { readonly result: ExperimentResult }): VNode {
  const { lab, words } = usePage()
  const { experiment, strategy, promise, measured, met, milliseconds } = result
  const title = lab.state.value?.strategies.find(({ name }) => name === strategy)?.title
  const values = {
    strategy: title ? words.of(title) : strategy,
    duration: formatDuration(milliseconds),
  }

  return (
    <div class="result" role="status" data-testid={`result-${experiment}`} data-met={met}>
      <p class="verdict">
        <span aria-hidden="true">{met ? '✓' : '✕'}</span> {words.t(met ? 'met' : 'notMet')}{' '}
        <small class="hint">{words.t('onStrategy', values)}</small>
      </p>
      <div class="compare">
        <div>
          <h4>{words.t('promise')}</h4>
          <p>{words.of(promise)}</p>
        </div>
        <div>
          <h4>{words.t('measured')}</h4>
          <dl class="measured">
            {Object.entries(measured).map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{typeof value === 'number' ? words.n(value) : value}</dd>
              </div>
            ))}
          </dl>
        </div>
      </div>
    </div>
  )
}
