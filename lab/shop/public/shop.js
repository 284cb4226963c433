/**
 * Shows which server answers, and why the balancer chose it. The pages work without this script.
 */

const line = document.querySelector('[data-server]')

async function ask() {
  const known = line.dataset.known === 'yes'
  // A page cannot read the headers it came with, so it asks once more. /me also tells whether that server knows us.
  const answer = await fetch(known ? '/me' : '/', {
    method: known ? 'GET' : 'HEAD',
    headers: { Accept: 'application/json' },
    cache: 'no-store',
  })
  const server = answer.headers.get('x-served-by')
  if (!server) return
  const reason = answer.headers.get('x-routed-by') ?? '–'
  const text = line.dataset.answer.replace('%server%', () => server).replace('%reason%', () => reason)
  const lost = known && answer.status === 401
  line.querySelector('[data-server-text]').textContent = lost ? `${text}. ${line.dataset.forgot}` : text
  line.toggleAttribute('data-lost', lost)
  line.hidden = false
}

if (line) {
  line.querySelector('[data-server-again]').addEventListener('click', () => void ask().catch(() => undefined))
  ask().catch(() => undefined)
}
