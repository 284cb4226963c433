/**
 * Short messages over the page, read out to those who do not see them.
 *
 * @module
 */

import type { VNode } from 'preact'
import type { Toast } from '../state/toasts.ts'
import { usePage } from './page.ts'

/** Draws the messages: news politely, errors at once. Both regions are always there, else nothing is read out. */
export function Toasts(): VNode {
  const { lab } = usePage()
  const list = lab.toasts.list.value

  return (
    <div class="toasts">
      <div role="status" aria-live="polite" data-testid="news">
        {list.map((toast) => toast.level !== 'error' && <ToastView key={toast.id} toast={toast} />)}
      </div>
      <div role="alert" data-testid="errors">
        {list.map((toast) => toast.level === 'error' && <ToastView key={toast.id} toast={toast} />)}
      </div>
    </div>
  )
}

function ToastView({ toast }: { readonly toast: Toast }): VNode {
  const { lab, words } = usePage()
  const { id, level, text } = toast

  return (
    <div class="toast" data-level={level}>
      <p>
        {level === 'error' && <strong>{words.t('errorTitle')}: </strong>}
        {words.of(text)}
      </p>
      <button type="button" aria-label={words.t('dismiss')} onClick={() => lab.toasts.dismiss(id)}>
        <span aria-hidden="true">×</span>
      </button>
    </div>
  )
}
