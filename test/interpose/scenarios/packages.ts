/** What people run: frameworks, WebSockets, gRPC, load generators. Servers and clients of one program. */
import { once } from 'node:events'
import http from 'node:http'
import type net from 'node:net'
import * as grpc from '@grpc/grpc-js'
import autocannon from 'autocannon'
import express from 'express'
import fastify from 'fastify'
import { Server as SocketServer } from 'socket.io'
import { io } from 'socket.io-client'
import { Agent, Pool, request } from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import { closed, HOST, listen, next, portOf, runCases } from './runner.js'

/** The one call of the gRPC service: bytes in, bytes out, as text. */
const text = (value: string): Buffer => Buffer.from(value)
const untext = (bytes: Buffer): string => bytes.toString()
const method = { requestStream: false, requestSerialize: text, requestDeserialize: untext, responseSerialize: text, responseDeserialize: untext }
const grpcService = {
  echo: { ...method, path: '/test.Echo/Echo', responseStream: false },
  count: { ...method, path: '/test.Echo/Count', responseStream: true },
}

await runCases({
  'express: routes, JSON bodies, errors': async () => {
    const app = express()
    app.use(express.json())
    app.get('/hello/:name', (incoming, response) => { response.send(`hello ${incoming.params.name} from ${incoming.protocol}`) })
    app.post('/sum', (incoming, response) => {
      const numbers = (incoming.body as { numbers: number[] }).numbers
      response.json({ sum: numbers.reduce((a, b) => a + b) })
    })
    const server = http.createServer(app)
    const url = `http://${HOST}:${await listen(server)}`
    const hello = await (await fetch(`${url}/hello/tas`)).text()
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/sum`, { method: 'POST', body: JSON.stringify({ numbers: [1, 2, 3] }), headers })
    const missing = (await fetch(`${url}/nowhere`)).status
    const sum = await answer.json()
    server.closeAllConnections()
    await closed(server)
    return [hello, sum, missing]
  },

  'fastify: routes, streams, inject': async () => {
    const app = fastify({ forceCloseConnections: true })
    app.get('/json', async () => ({ hello: 'world' }))
    app.post('/echo', async (incoming) => incoming.body)
    await app.listen({ port: 0, host: '0.0.0.0' })
    const url = `http://${HOST}:${portOf(app.server)}`
    const json = await (await fetch(`${url}/json`)).json()
    const echo = await (await fetch(`${url}/echo`, { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } })).json()
    await app.close()
    return [json, echo]
  },

  'undici: pool, pipelining, large bodies': async () => {
    const server = http.createServer((incoming, response) => incoming.pipe(response))
    const origin = `http://${HOST}:${await listen(server)}`
    const pool = new Pool(origin, { connections: 4, pipelining: 5 })
    const body = 'x'.repeat(1_000_000)
    const answers = await Promise.all(Array.from({ length: 40 }, async (_, i) => {
      const answer = await pool.request({ path: '/', method: 'POST', body: i === 0 ? body : `body ${i}` })
      return (await answer.body.text()).length
    }))
    await pool.close()
    const agent = new Agent({ keepAliveTimeout: 10 })
    const { statusCode } = await request(origin, { dispatcher: agent })
    await agent.destroy()
    server.closeAllConnections()
    await closed(server)
    return [answers, statusCode]
  },

  'ws: messages, pings, large frames, close codes': async () => {
    const server = new WebSocketServer({ port: 0 })
    server.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    })
    await once(server, 'listening')
    const client = new WebSocket(`ws://${HOST}:${(server.address() as net.AddressInfo).port}`)
    await once(client, 'open')
    const echo = async (data: string | Buffer): Promise<Buffer> => {
      client.send(data)
      return await next(client, 'message') as Buffer
    }
    const small = (await echo('hello')).toString()
    const large = await echo(Buffer.alloc(3_000_000, 5))
    const pong = next(client, 'pong')
    client.ping('p')
    const pinged = String(await pong)
    client.close(4001, 'done')
    const [code, reason] = await once(client, 'close') as [number, Buffer]
    await new Promise((resolve) => server.close(resolve))
    return [small, large.length, pinged, code, reason.toString()]
  },

  'socket.io: events with acknowledgments over polling and WebSocket': async () => {
    const web = http.createServer()
    const server = new SocketServer(web)
    server.on('connection', (socket) => socket.on('sum', (a: number, b: number, done: (sum: number) => void) => done(a + b)))
    const url = `http://${HOST}:${await listen(web)}`
    const sums = []
    for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
      const client = io(url, { transports, forceNew: true })
      sums.push(await client.timeout(5000).emitWithAck('sum', 2, 3))
      client.disconnect()
    }
    await server.close()
    return sums
  },

  'grpc-js: unary and streaming calls, an error': async () => {
    const server = new grpc.Server()
    server.addService(grpcService, {
      echo: (call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) => {
        if (call.request === 'fail') done({ code: grpc.status.NOT_FOUND, details: 'nobody' })
        else done(null, `echo ${call.request}`)
      },
      count: (call: grpc.ServerWritableStream<string, string>) => {
        for (let i = 0; i < Number(call.request); i++) call.write(String(i))
        call.end()
      },
    })
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('0.0.0.0:0', grpc.ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error)))
    })
    const client = new grpc.Client(`${HOST}:${port}`, grpc.credentials.createInsecure())
    const unary = (value: string): Promise<unknown> => new Promise((resolve) => {
      client.makeUnaryRequest(grpcService.echo.path, text, untext, value, (error, answer) => {
        resolve(error === null ? answer : [error.code, error.details])
      })
    })
    const answers = await Promise.all(['a', 'b', 'fail'].map(unary))
    const stream = client.makeServerStreamRequest(grpcService.count.path, text, untext, '100')
    let counted = 0
    for await (const _ of stream) counted++
    client.close()
    await new Promise((resolve) => server.tryShutdown(resolve))
    return [answers, counted]
  },

  'autocannon: no errors': async () => {
    const server = http.createServer((_incoming, response) => response.end('hello'))
    const port = await listen(server)
    const result = await autocannon({ url: `http://${HOST}:${port}`, connections: 10, pipelining: 2, amount: 2000 })
    server.closeAllConnections()
    await closed(server)
    return [result['2xx'], result.non2xx, result.errors, result.timeouts]
  },
})
