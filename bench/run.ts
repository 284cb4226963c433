/**
 * Runs one bench by its name: `npm run bench -- read-path`.
 *
 * @module
 */

const BENCHES = ['read-path', 'shared-stores', 'memory', 'near-cache', 'balancer', 'tokens', 'replication']

const [name = ''] = process.argv.splice(2, 1)
if (BENCHES.includes(name)) await import(`./${name}.js`)
else {
  console.error(
    `Cannot run a bench as its name must be one of ${BENCHES.join(', ')}: received ${JSON.stringify(name)}`,
  )
  process.exitCode = 2
}
