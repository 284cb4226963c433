import { createServer } from 'node:http'
import { createSessions } from 'coatcheck'
import { nodeSessions } from 'coatcheck/http/node'
import { createMemoryStore } from 'coatcheck/stores/memory'

const sessions = createSessions<{ visits: number }>(createMemoryStore({ maxSessions: 100_000 }))

const server = createServer(
  nodeSessions(sessions, async (request, response) => {
    const session = await sessions.load(request)
    if (request.url === '/logout') await session.destroy()
    const visits = await session.update('visits', (before = 0) => before + 1)
    response.end(`visit ${visits}\n`)
  }),
)
server.listen(Number(process.env['PORT'] ?? 3000))
