/** A program that lives through the end of TAS: says 'up' for each echo that works again, and each error that is new. HOST is TAS's address. */
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const host = process.env['HOST'] ?? ''
const PORT = 7100
const PAUSE_MS = 50
let last = ''

function say(text: string): void {
  if (text === last) return
  last = text
  process.stdout.write(`${text}\n`)
}

const server = net.createServer((socket) => {
  socket.on('error', (error: NodeJS.ErrnoException) => say(`server socket ${error.syscall} ${error.code}`))
  socket.pipe(socket)
})
server.on('error', (error) => say(`server ${error.message}`))
server.listen(PORT, () => say('listening'))

/** Connects, echoes until the connection ends. */
async function once(): Promise<void> {
  const socket = net.connect(PORT, host)
  socket.setNoDelay(true)
  socket.on('data', () => {
    say('up')
    setTimeout(() => socket.write('again'), PAUSE_MS)
  })
  socket.on('connect', () => socket.write('hello'))
  await new Promise<void>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => say(`client ${error.syscall} ${error.code}`))
    socket.on('close', () => resolve())
  })
}

for (;;) {
  await once()
  await sleep(PAUSE_MS)
}
