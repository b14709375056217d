/** A worker of clustercases.ts: a web server on HOST and PORT that says who it is. */
import http from 'node:http'
import { errorOf, HOST } from './runner.js'

const server = http.createServer((_, response) => response.end(`${process.pid}`))
server.on('error', (error) => {
  const { code, errno, syscall } = errorOf(error)
  process.send?.({ code, errno, syscall })
})
server.listen(Number(process.env['PORT']), HOST)
