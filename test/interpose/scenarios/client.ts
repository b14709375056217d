/** Clients of service.ts, which runs on another host: HOST, and PORTS as it prints them. */
import { createHash } from 'node:crypto'
import http from 'node:http'
import net from 'node:net'
import { errorOf, HOST, next, runCases } from './runner.js'

const [echoPort, webPort, sinkPort, resetPort] = JSON.parse(process.env['PORTS'] ?? '[]') as number[]
const data = Buffer.alloc(8_000_000, 'over the wire ')

async function collect(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = []
  stream.on('data', (bytes: Buffer) => chunks.push(bytes))
  await next(stream, 'end')
  return Buffer.concat(chunks)
}

await runCases({
  'echo of much data': async () => {
    const socket = net.connect(echoPort, HOST)
    socket.end(data)
    return (await collect(socket)).equals(data)
  },

  'half-open upload': async () => {
    const socket = net.connect(sinkPort, HOST)
    socket.end(data)
    return (await collect(socket)).toString() === createHash('sha256').update(data).digest('hex')
  },

  'many connections': async () => {
    const texts = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
      const socket = net.connect(echoPort, HOST)
      socket.end(`${i}`)
      return (await collect(socket)).toString()
    }))
    return texts.every((text, i) => text === `${i}`)
  },

  'http keep-alive and bodies': async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 2 })
    const get = async (path: string): Promise<string> => {
      const response = await next(http.get({ host: HOST, port: webPort, agent, path }), 'response') as http.IncomingMessage
      return (await collect(response)).toString()
    }
    const texts = await Promise.all(Array.from({ length: 30 }, (_, i) => get(`/${i}`)))
    const post = http.request({ host: HOST, port: webPort, method: 'POST', agent })
    post.end(data)
    const echoed = await collect(await next(post, 'response') as http.IncomingMessage)
    agent.destroy()
    return [texts, echoed.equals(data)]
  },

  'reset by the other host': async () => {
    const socket = net.connect(resetPort, HOST)
    socket.write('x')
    return errorOf(await next(socket, 'error'))
  },

  'refused by the other host': async () => errorOf(await next(net.connect(9, HOST), 'error')),
})
