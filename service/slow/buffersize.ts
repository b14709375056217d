/**
 * How large a connection's buffers are. They begin with the configured lengths and grow to the configured greatest lengths if
 * the connection needs that (autotune.ts). While an application's region is at most half used that holds in full; then for 1/4
 * and at last 1/16 of both, so that default options serve a few fast connections and many slow ones alike. A receive buffer
 * never gets smaller than the window that our SYN has promised.
 */
import { log2Ceil, powerOfTwo } from '../../lib/memif/index.js'
import type { App } from './app.js'
import type { SlowConfig, TcpConfig } from './config.js'
import type { Connection } from './connection.js'
import type { Stack } from './stack.js'

/** Least length of a buffer unless less is configured: holds the largest window without scaling. */
const LEAST_LOG2 = 16
/** log2 of the share that is left out, step by step. */
const SHRINK_LOG2 = [0, 2, 4]
/** Part of the region that must be in use for the step after. */
const FILL = [1 / 2, 3 / 4]
/** Part of a region that one buffer may take by growing. */
const REGION_SHARE = 1 / 16
/** Window fields have 16 bits (RFC 9293, 3.1). */
const WINDOW_LOG2 = 16

/** What a connection's buffers are; a connection is one of these. */
type Buffers = Pick<Connection, 'buffer' | 'rxLog2' | 'txBuffer' | 'txLog2' | 'rxMove' | 'txMove'>

/** log2 of the length of a buffer that is configured with `bytes`. */
function shrunkLog2(bytes: number, step: number): number {
  const full = log2Ceil(bytes)
  return Math.max(Math.min(full, LEAST_LOG2), full - SHRINK_LOG2[step])
}

function stepOf(app: App): number {
  const { fill } = app
  let step = 0
  while (step < FILL.length && fill >= FILL[step]) step++
  return step
}

/** Bytes of the smallest buffers of a connection. */
export function leastBufferBytes(config: SlowConfig): number {
  const { rxBufLen, txBufLen } = config.tcp
  return powerOfTwo(shrunkLog2(rxBufLen, SHRINK_LOG2.length - 1)) + powerOfTwo(shrunkLog2(txBufLen, SHRINK_LOG2.length - 1))
}

/**
 * Shift of our windows (RFC 7323, 2.3): the greatest receive buffer fits the window field, but the smallest can still be
 * told in steps of a sixteenth.
 */
export function windowShift(tcp: TcpConfig): number {
  const most = shrunkLog2(tcp.rxBufLen, SHRINK_LOG2.length - 1) - 4
  const greatestLog2 = Math.floor(Math.log2(Math.max(tcp.rxBufMax, tcp.rxBufLen)))
  return Math.max(0, Math.min(greatestLog2 - WINDOW_LOG2 + 1, most, 14))
}

/** Gives `connection` buffers of `app`, unless it has them. Returns false if there is no room. */
export function takeBuffers(stack: Stack, app: App, connection: Connection): boolean {
  const { rxBufLen, txBufLen } = stack.config.tcp
  for (let step = stepOf(app); step < SHRINK_LOG2.length && connection.buffer < 0; step++) {
    takeBoth(app, connection, shrunkLog2(rxBufLen, step), shrunkLog2(txBufLen, step))
  }
  return connection.buffer >= 0
}

function takeBoth(app: App, connection: Connection, rxLog2: number, txLog2: number): void {
  const buffer = app.allocate(powerOfTwo(rxLog2))
  if (buffer < 0) return
  const txBuffer = app.allocate(powerOfTwo(txLog2))
  if (txBuffer < 0) return app.release(buffer, powerOfTwo(rxLog2))
  connection.buffer = buffer
  connection.rxLog2 = rxLog2
  connection.txBuffer = txBuffer
  connection.txLog2 = txLog2
}

/** log2 of the receive buffer that `connection` would get now if it needed more: twice as much, or what it has. */
export function grownRx(stack: Stack, app: App, connection: Connection): number {
  const most = greatest(app, stack.config.tcp.rxBufMax, connection.rxLimitBytes)
  return Math.max(connection.rxLog2, Math.min(connection.rxLog2 + 1, most, WINDOW_LOG2 + connection.rcvWscale))
}

/** The same for its transmit buffer. */
export function grownTx(stack: Stack, app: App, connection: Connection): number {
  const most = greatest(app, stack.config.tcp.txBufMax, connection.txLimitBytes)
  return Math.max(connection.txLog2, Math.min(connection.txLog2 + 1, most))
}

/** log2 of the transmit buffer that `connection` began with, or of a smaller one that it has. */
export function initialTx(stack: Stack, app: App, connection: Connection): number {
  return Math.min(connection.txLog2, shrunkLog2(stack.config.tcp.txBufLen, stepOf(app)))
}

function greatest(app: App, configured: number, limitBytes: number): number {
  const bytes = Math.min(configured, app.bufferSpace * REGION_SHARE, limitBytes)
  return Math.floor(Math.log2(bytes)) - SHRINK_LOG2[stepOf(app)]
}

/** Gives the connection's buffers back to `app`, granted ones too. */
export function releaseBuffers(app: App, connection: Connection): void {
  giveBack(app, connection)
  forget(connection)
}

/** A function that does so later; the connection has none from now on. */
export function detachBuffers(app: App, connection: Connection): () => void {
  const { buffer, rxLog2, txBuffer, txLog2, rxMove, txMove } = connection
  forget(connection)
  return () => giveBack(app, { buffer, rxLog2, txBuffer, txLog2, rxMove, txMove })
}

function giveBack(app: App, { buffer, rxLog2, txBuffer, txLog2, rxMove, txMove }: Buffers): void {
  app.release(buffer, powerOfTwo(rxLog2))
  app.release(txBuffer, powerOfTwo(txLog2))
  if (rxMove !== null) app.release(rxMove.place, powerOfTwo(rxMove.log2))
  if (txMove !== null) app.release(txMove.place, powerOfTwo(txMove.log2))
}

function forget(connection: Connection): void {
  connection.buffer = -1
  connection.txBuffer = -1
  connection.rxMove = null
  connection.txMove = null
}
