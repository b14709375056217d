/** Tries to send a socket and a server to a child process; prints what becomes of it. HOST is TAS's address. */
import { fork } from 'node:child_process'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { HOST, listen, next } from './runner.js'

if (process.send === undefined) {
  const server = net.createServer()
  const port = await listen(server)
  const accepted = next(server, 'connection')
  const socket = net.connect(port, HOST)
  const far = await accepted as net.Socket
  const child = fork(fileURLToPath(import.meta.url))
  const attempt = (what: net.Socket | net.Server): string => {
    try {
      child.send('take', what)
      return 'sent'
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  process.stdout.write(`${JSON.stringify([attempt(server), attempt(far)])}\n`)
  child.disconnect()
  socket.destroy()
  process.exit()
}
process.on('message', () => undefined)
