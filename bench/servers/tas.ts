/**
 * The benchmark's server on TAS: one loop of poll and block. On the service, or with --nic, --ip-addr and --buffer-bytes on a TAS of its own.
 * It does what the others do: bytes are copied to where they are sent from, as a program would.
 */
import { parseArgs } from 'node:util'
import {
  CONN_CLOSED, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, createEvents, LISTEN_ACCEPT, LISTEN_OPEN, Tas,
  type Connection, type TasEvent,
} from '../../lib/tas/index.js'
import { createEmbedded } from '../../lib/embedded/index.js'
import { BACKLOG, checkCallBytes, checkPort, PORT_ECHO, PORT_SINK, PORT_SOURCE, SERVER_OPTIONS } from './ports.js'

const EVENTS = 64
/** Connections that each listener may take before this program has looked: they then come with one event and one message fewer each. */
const ACCEPTS_AHEAD = 64
/** Below, a loop over bytes is faster than TypedArray.set with a view that must be made (60 against 160 ns). */
const LOOP_BYTES = 128

/** Received bytes that could not be sent back yet. */
interface Stall {
  left: number
  closing: boolean
}

const { values: given } = parseArgs({
  options: { ...SERVER_OPTIONS, nic: { type: 'string' }, 'ip-addr': { type: 'string', default: '' }, 'buffer-bytes': { type: 'string' } },
})
const port = checkPort(given.port)
const callBytes = checkCallBytes(given['call-bytes'])
const sourceBytes = new Uint8Array(callBytes)
const stalls = new Map<Connection, Stall>()

function copy(from: Uint8Array, at: number, to: Uint8Array, toAt: number, len: number): void {
  if (len > LOOP_BYTES) {
    to.set(from.subarray(at, at + len), toAt)
    return
  }
  for (let i = 0; i < len; i++) to[toAt + i] = from[at + i]
}

/** Sends back what there is room for. Returns the bytes that are left. The buffer may be another one each time (autotuning). */
function sendBack(connection: Connection, len: number): number {
  const buffer = connection.rxBuffer
  const mask = buffer.length - 1
  let at = connection.rxOffset
  let left = len
  while (left > 0) {
    const contiguous = buffer.length - at
    const got = connection.txAlloc(left < contiguous ? left : contiguous)
    if (got === 0) break
    copy(buffer, at, connection.txBuffer, connection.txOffset, got)
    connection.txSend(got)
    at = (at + got) & mask
    left -= got
  }
  connection.rxDone(len - left)
  return left
}

function echo(connection: Connection, event: TasEvent): void {
  const total = event.length + event.length2
  const stall = stalls.size === 0 ? undefined : stalls.get(connection)
  if (stall !== undefined) {
    stall.left += total
    return
  }
  const left = sendBack(connection, total)
  if (left > 0) stalls.set(connection, { left, closing: false })
}

function goOn(connection: Connection): void {
  const stall = stalls.get(connection)
  if (stall === undefined) return
  const left = sendBack(connection, stall.left)
  stall.left = left
  if (left > 0) return
  stalls.delete(connection)
  if (stall.closing) connection.close()
}

function fill(connection: Connection): void {
  for (let got = connection.txAlloc(callBytes); got > 0; got = connection.txAlloc(callBytes)) {
    connection.txBuffer.set(got === callBytes ? sourceBytes : sourceBytes.subarray(0, got), connection.txOffset)
    connection.txSend(got)
  }
}

/** The client sends no more: close, but not before everything is sent back. */
function peerClosed(connection: Connection): void {
  const stall = stalls.get(connection)
  if (stall === undefined) connection.close()
  else stall.closing = true
}

function handle(event: TasEvent): void {
  if (event.stale) return
  switch (event.type) {
    case CONN_RECEIVED: {
      const { connection } = event
      if (connection.localPort === port + PORT_ECHO) echo(connection, event)
      else connection.rxDone(event.length + event.length2)
      return
    }
    case CONN_SENDBUF:
      if (event.connection.localPort === port + PORT_SOURCE) fill(event.connection)
      else goOn(event.connection)
      return
    case LISTEN_ACCEPT:
      event.listener.accept()
      if (event.status === 0 && event.listener.port === port + PORT_SOURCE) fill(event.connection)
      return
    case CONN_RXCLOSED: peerClosed(event.connection); return
    case CONN_CLOSED: stalls.delete(event.connection); return
    case LISTEN_OPEN: opened(event); return
  }
}

let listening = 0

function opened(event: TasEvent): void {
  if (event.error !== null) throw event.error
  for (let i = 0; i < ACCEPTS_AHEAD; i++) event.listener.accept()
  listening++
  if (listening === PORT_SINK + 1) console.log('ready')
}

/** The service, or with --nic a TAS of its own. */
async function connect(): Promise<Tas> {
  if (given.nic === undefined) return Tas.connect({ name: 'bench' })
  const lenBytes = given['buffer-bytes'] === undefined ? null : Number(given['buffer-bytes'])
  const buffers = lenBytes === null ? {} : { tcpRxbufLen: lenBytes, tcpTxbufLen: lenBytes }
  return createEmbedded({ nic: given.nic, ipAddr: given['ip-addr'], ...buffers })
}

const tas = await connect()
const context = tas.createContext()
for (const offset of [PORT_ECHO, PORT_SOURCE, PORT_SINK]) context.listen(port + offset, { backlog: BACKLOG })
const events = createEvents(EVENTS)
for (;;) {
  const count = context.poll(events)
  for (let i = 0; i < count; i++) handle(events[i])
  if (count === 0) context.block()
}
