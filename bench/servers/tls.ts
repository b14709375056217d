/** Sends back what it receives over TLS: node:tls as anybody writes it, on TAS only if it is interposed. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:tls'
import { parseArgs } from 'node:util'
import { BACKLOG, checkPort, PORT_OPTION } from './ports.js'

const { values } = parseArgs({ options: { ...PORT_OPTION, key: { type: 'string', default: '' }, cert: { type: 'string', default: '' } } })
const options = { key: readFileSync(values.key), cert: readFileSync(values.cert), noDelay: true }
const server = createServer(options, (socket) => {
  // The client may reset: its bench is over.
  socket.on('error', () => socket.destroy())
  socket.on('data', (data) => { if (!socket.write(data)) socket.pause() })
  socket.on('drain', () => socket.resume())
})
server.listen({ port: checkPort(values.port), backlog: BACKLOG }, () => console.log('ready'))
