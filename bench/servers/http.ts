/** Says hello over HTTP: node:http as anybody writes it, on TAS only if it is interposed. */
import { createServer } from 'node:http'
import { BACKLOG, parsePort } from './ports.js'

const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 13 })
  response.end('Hello, world\n')
})
server.listen({ port: parsePort(), backlog: BACKLOG }, () => console.log('ready'))
