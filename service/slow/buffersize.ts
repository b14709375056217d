/**
 * How large a connection's buffers are. The configured lengths are what a connection gets while its application's region is at
 * most half used; then 1/4 and at last 1/16 of them, so that default options serve a few fast connections and
 * many slow ones alike. A receive buffer never gets smaller than the window that our SYN has promised.
 */
import { BUFFER_UNIT_BYTES, log2Ceil } from '../../lib/memif/index.js'
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

interface Sizes { readonly rxLog2: number; readonly txLog2: number }

function shrunk(tcp: TcpConfig, step: number): Sizes {
  const size = (bytes: number): number => {
    const full = log2Ceil(bytes)
    return Math.max(Math.min(full, LEAST_LOG2), full - SHRINK_LOG2[step])
  }
  return { rxLog2: size(tcp.rxBufLen), txLog2: size(tcp.txBufLen) }
}

function bytesOf({ rxLog2, txLog2 }: Sizes): number {
  return 2 ** rxLog2 + 2 ** txLog2
}

/** Bytes of the smallest buffers of a connection. */
export function leastBufferBytes(config: SlowConfig): number {
  return bytesOf(shrunk(config.tcp, SHRINK_LOG2.length - 1))
}

/** Gives `connection` buffers of `app`, unless it has them. Returns false if there is no room. */
export function takeBuffers(stack: Stack, app: App, connection: Connection): boolean {
  const first = FILL.filter((part) => app.fill >= part).length
  for (let step = first; step < SHRINK_LOG2.length && connection.buffer < 0; step++) {
    const sizes = shrunk(stack.config.tcp, step)
    connection.buffer = app.allocate(bytesOf(sizes))
    connection.rxLog2 = sizes.rxLog2
    connection.txLog2 = sizes.txLog2
  }
  return connection.buffer >= 0
}

/** Start of the transmit buffer in BUFFER_UNIT_BYTES: right behind the receive buffer. */
export function txBufferOf({ buffer, rxLog2 }: Connection): number {
  return buffer + 2 ** rxLog2 / BUFFER_UNIT_BYTES
}

/** A function that gives the connection's buffers back to `app`; the connection has none from now on. */
export function detachBuffers(app: App, connection: Connection): () => void {
  const { buffer } = connection
  const bytes = bytesOf(connection)
  connection.buffer = -1
  return () => app.release(buffer, bytes)
}
