/** HTTP/1.1 server on TAS. */
import {
  CONN_CLOSED, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, LISTEN_ACCEPT, LISTEN_CLOSED, LISTEN_NEWCONN, LISTEN_OPEN,
  type Connection, type TasEvent,
} from 'tasjs'
import { fail, numberOption, onSignal, openTas, parseCommandLine, TAS_OPTIONS, TAS_USAGE } from './cli.js'
import { fileContent, patternContent, textContent, type Content } from './http/content.js'
import { HttpSession } from './http/session.js'

const USAGE = `usage: node http-server.js [--port PORT] [--file PATH] [--socket PATH] [--nic NAME --ip-addr ADDR/PREFIXLEN]

Serves HTTP/1.1 on TAS:

  GET /           a page
  GET /bytes/N    N bytes, always the same; their SHA-256 in the header X-SHA-256
  GET /file       the file given by --file
  PUT, POST       anything; the answer says length and SHA-256 of what arrived

  --port PORT     port to listen on (default 80)
  --file PATH     a file to serve
${TAS_USAGE}
  --help          this text`

const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>TAS</title></head>
<body><h1>Served by TAS</h1><p>No kernel TCP was involved on this side.</p>
<p><a href="/bytes/1000000">a million bytes</a></p></body></html>
`
const MAX_BYTES = 2 ** 40
/** Hashing what /bytes/N sends takes a while: the last results are kept. */
const MAX_CACHED = 100

const { values } = parseCommandLine(USAGE, { port: { type: 'string' }, file: { type: 'string' }, ...TAS_OPTIONS })
const port = numberOption(values, 'port', 80, 0, 65535)

const page = textContent('text/html; charset=utf-8', PAGE)
const cache = new Map<number, Promise<Content>>()
const sessions = new Map<Connection, HttpSession>()
let stopping = false

async function find(path: string, file: Content | null): Promise<Content | null> {
  if (path === '/') return page
  if (path === '/file') return file
  const match = /^\/bytes\/(\d{1,13})$/.exec(path)
  const lenBytes = match === null ? Infinity : Number(match[1])
  return lenBytes <= MAX_BYTES ? bytesContent(lenBytes) : null
}

function bytesContent(lenBytes: number): Promise<Content> {
  const known = cache.get(lenBytes)
  if (known !== undefined) return known
  const content = patternContent(lenBytes)
  if (cache.size >= MAX_CACHED) cache.clear()
  cache.set(lenBytes, content)
  return content
}

function handle(event: TasEvent, file: Content | null, stopped: () => void): void {
  switch (event.type) {
    case CONN_RECEIVED:
    case CONN_SENDBUF: sessions.get(event.connection)?.advance(); return
    case CONN_RXCLOSED: sessions.get(event.connection)?.advance(true); return
    case LISTEN_NEWCONN: event.listener.accept(); return
    case LISTEN_ACCEPT:
      if (event.status === 0) sessions.set(event.connection, new HttpSession(event.connection, (path) => find(path, file)))
      return
    case CONN_CLOSED:
      sessions.delete(event.connection)
      if (stopping && sessions.size === 0) stopped()
      return
    case LISTEN_OPEN:
      if (event.error !== null) fail(new Error(`http-server: cannot listen on port ${port}: ${event.code}`))
      console.log(`http-server: listening on port ${event.listener.port}`)
      return
    case LISTEN_CLOSED:
      if (event.error !== null) fail(new Error(`http-server: the listener has ended: ${event.code}`))
      if (sessions.size === 0) stopped()
      return
    default:
  }
}

try {
  const file = typeof values['file'] === 'string' ? await fileContent(values['file']) : null
  const tas = await openTas(values, 'http-server')
  const context = tas.createContext()
  const listener = context.listen(port, { backlog: 1024 })
  context.attach((event) => handle(event, file, () => tas.close()))
  onSignal(() => {
    stopping = true
    listener.close()
    for (const connection of sessions.keys()) connection.close()
  })
} catch (error) {
  fail(error)
}
