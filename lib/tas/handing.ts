/**
 * Connections and listeners between threads that share an application: plain objects, which `postMessage` can carry.
 *
 *      one thread: connection.release() -> HandedConnection -> another thread: context.adopt() -> REQ_CONN_MOVE -> CONN_MOVED
 *
 * Nothing is lost in between: the worker goes on with the buffers, and tells its whole state when the connection has moved.
 */
import {
  APP_SLOW_ENTRY_WORDS, AS_BUFFER, AS_FLOW, AS_GEN_WORKER, AS_LOCAL_IP, AS_PORTS, AS_REMOTE_IP, AS_RX_BASE, AS_SIZES, AS_TX_BASE, AS_TX_BUFFER,
} from '../memif/index.js'
import type { Connection } from './connection.js'
import { TasError } from './errors.js'
import type { ReceiveStream } from './receivestream.js'
import type { TransmitStream } from './transmitstream.js'

/** A connection that no thread has. Its fields are for `Context.adopt` alone. */
export interface HandedConnection {
  /** Whose it is (ServiceLink.application). */
  readonly application: string
  /** By which handle the service knows it. */
  readonly handle: number
  /** What an entry of EV_CONN_OPEN says of it (lib/memif/appslow.ts). */
  readonly words: readonly number[]
  /** Sequence numbers: first byte not given back, behind the last known, end of urgent data; not acknowledged, behind the last sent. */
  readonly rxRead: number
  readonly rxEnd: number
  readonly urgentEnd: number | null
  readonly txUna: number
  readonly txEnd: number
}

/** A listener from which contexts of the same application can accept (`Context.joinListener`). */
export interface HandedListener {
  readonly application: string
  readonly context: number
  readonly handle: number
  readonly ip: number
  readonly port: number
}

/** Addresses (signed words), ports as in AS_PORTS, and MSS of a connection. */
export interface Identity {
  readonly remoteIp: number
  readonly localIp: number
  readonly ports: number
  readonly mss: number
}

/** Describes `connection`, which the caller lets go. */
export function describe(connection: Connection, { remoteIp, localIp, ports, mss }: Identity): HandedConnection {
  const { rx, tx, flow, gen, worker, handle } = connection
  const words = new Array<number>(APP_SLOW_ENTRY_WORDS).fill(0)
  words[AS_FLOW] = flow
  words[AS_GEN_WORKER] = gen | (worker << 16)
  words[AS_REMOTE_IP] = remoteIp
  words[AS_LOCAL_IP] = localIp
  words[AS_PORTS] = ports
  words[AS_SIZES] = Math.log2(rx.buffer.length) | (Math.log2(tx.buffer.length) << 8) | (mss << 16)
  words[AS_BUFFER] = rx.place
  words[AS_RX_BASE] = rx.base
  words[AS_TX_BUFFER] = tx.place
  words[AS_TX_BASE] = tx.base
  return {
    application: connection.context.tas.link.application, handle, words, rxRead: rx.read, rxEnd: rx.end, urgentEnd: rx.isUrgent ? rx.urgentEnd : null,
    txUna: tx.una, txEnd: tx.end,
  }
}

/** Takes over where the other thread stood; what it had not given back is reported again. */
export function restore(rx: ReceiveStream, tx: TransmitStream, handed: HandedConnection): void {
  rx.read = rx.told = handed.rxRead
  rx.end = handed.rxEnd
  if (handed.urgentEnd !== null) rx.urge(handed.urgentEnd)
  tx.una = handed.txUna
  tx.end = handed.txEnd
}

/** Throws TasError EXDEV if what was handed over belongs to another application than the one that `application` names. */
export function checkApplication(handed: { readonly application: string }, application: string): void {
  if (handed.application === application) return
  throw new TasError('EXDEV', 'it belongs to another application: the threads have to share one (Tas.share, Tas.join)')
}
