/**
 * Two servers behind a balancer that keeps each visitor on one of them.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createBalancer } from 'coatcheck/balancer'

async function startServer(id: string): Promise<{ id: string; url: string }> {
  const server = createServer((_request, response) => response.end(`Hello from ${id}\n`))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return { id, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const balancer = createBalancer([await startServer('A'), await startServer('B')], {
  routing: 'sticky',
  secrets: [process.env.AFFINITY_SECRET ?? randomBytes(32)],
  allowInsecureCookie: true, // http on loopback; leave it out behind https
})
balancer.on('down', ({ id, reason }) => console.log(`${id} is down: ${reason}`))

const { url } = await balancer.listen({ port: Number(process.env.PORT ?? 8080) })
console.log(`Listening on ${url}`)
