// An application server for tests that pause and kill processes. Its first argument is its name; it prints its port.
import { createServer } from 'node:http'

const [, , name] = process.argv
const server = createServer((request, response) => {
  request.resume()
  response.setHeader('content-type', 'text/plain').end(name)
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
