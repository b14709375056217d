/** Tries to send a child process what cannot be sent: a server on a TAS of this process's own, a socket that is connecting. HOST is TAS's address. */
import { fork } from 'node:child_process'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { HOST, listen } from './runner.js'

if (process.send === undefined) {
  const server = net.createServer()
  const port = await listen(server)
  const socket = net.connect(port, HOST)
  const child = fork(fileURLToPath(import.meta.url))
  const attempt = (what: net.Socket | net.Server): string => {
    try {
      child.send('take', what)
      return 'sent'
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  process.stdout.write(`${JSON.stringify([attempt(server), attempt(socket)])}\n`)
  child.disconnect()
  socket.destroy()
  process.exit()
}
process.on('message', () => undefined)
