/**
 * Trace points of a worker (`tas trace`), at the edges of a pass: whole bursts of frames, events and bumps are there. While nothing is traced
 * the loops over packets know nothing of it.
 */
import {
  BUMP_FLAGS, BUMP_FLOW, BUMP_GEN, BUMP_RCV_READ, BUMP_SND_END, EVENT_FLAGS, EVENT_FLOW, EVENT_GEN, EVENT_RCV_END, EVENT_SND_UNA,
  TRACE_BUMP, TRACE_EVENT, TRACE_RX, TRACE_TX,
} from '../../lib/memif/index.js'
import {
  TX_DESC_WORDS, TX_HEADER_LEN, TX_HEADER_LEN_BITS, TX_PAYLOAD_LEN, TX_SLOT_BYTES, TX_SLOT_ETHERNET, type ReceivePort,
} from '../../native/port.js'
import type { AppContext } from './contexts.js'
import type { FastPath } from './fastpath.js'

/** The first `count` frames of a burst that was received by `port`; `isInside`: they have not left this host. */
export function traceReceived({ trace }: FastPath, { frames, rxOffset, rxLen }: ReceivePort, count: number, isInside: boolean): void {
  trace.stamp()
  for (let i = 0; i < count; i++) trace.frame(TRACE_RX, isInside ? 1 : 0, frames, rxOffset[i], rxLen[i], rxLen[i])
}

/** Header slots `first` to `first + count - 1` have been taken by the port, at the time stamped last. */
export function traceSent({ trace, port }: FastPath, first: number, count: number): void {
  for (let slot = first; slot < first + count; slot++) {
    const headerBytes = port.txDesc[slot * TX_DESC_WORDS + TX_HEADER_LEN] & TX_HEADER_LEN_BITS
    const wireBytes = headerBytes + port.txDesc[slot * TX_DESC_WORDS + TX_PAYLOAD_LEN]
    trace.frame(TRACE_TX, 0, port.txHeaders, slot * TX_SLOT_BYTES + TX_SLOT_ETHERNET, headerBytes, wireBytes)
  }
}

/** The events of a context that are about to be published. */
export function traceEvents({ trace, state }: FastPath, { events, app, context }: AppContext): void {
  const { words } = events
  trace.stamp()
  for (let back = events.unpublished; back > 0; back--) {
    const entry = events.pushedAt(back)
    trace.flow(TRACE_EVENT, 0, state, words[entry + EVENT_FLOW], words[entry + EVENT_GEN], words[entry + EVENT_FLAGS],
      words[entry + EVENT_RCV_END], words[entry + EVENT_SND_UNA], (app << 16) | context)
  }
}

/** The last `count` bumps of a context, which have been read and not yet given back. */
export function traceBumps({ trace, state }: FastPath, { bumps, app, context }: AppContext, count: number): void {
  const { words } = bumps
  trace.stamp()
  for (let back = count; back > 0; back--) {
    const entry = bumps.passedAt(back)
    trace.flow(TRACE_BUMP, 0, state, words[entry + BUMP_FLOW], words[entry + BUMP_GEN], words[entry + BUMP_FLAGS],
      words[entry + BUMP_RCV_READ], words[entry + BUMP_SND_END], (app << 16) | context)
  }
}
