/** What can be told about a connection (EV_CONN_INFO, `tas state`): from its TCB and from the slow path. */
import {
  FLAG_ECN, FLAG_FIN_RECEIVED, FLAG_NAGLE, FLAG_SACK, FLAG_TIMESTAMPS, INFO_ECN, INFO_KEEP_ALIVE, INFO_NAMES, INFO_NO_DELAY,
  INFO_SACK, INFO_TIMESTAMPS, INFO_WINDOW_SCALING, TCB_FLAGS, TCB_OOO_END, TCB_OOO_START, TCB_RATE_KBPS, TCB_RCV_NXT,
  TCB_RTTVAR_US4, TCB_RX_LOG2_U8, TCB_SND_END, TCB_SND_MAX, TCB_SND_UNA, TCB_SND_WND, TCB_TX_LOG2_U8, TCP_STATES, type InfoValues,
} from '../../lib/memif/index.js'
import { seqAdd, seqDiff } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import { inFlight, minRttUs, mssOf, quietMs, rcvWindow, srttUs } from './flowstate.js'
import { LOST, SACKED } from './recovery/scoreboard.js'
import { backedOffUs } from './retransmit.js'
import type { Stack } from './stack.js'

/** Everything about `connection`; without a flow (handshake, TIME-WAIT) what comes from the TCB is 0. */
export function connectionInfo(stack: Stack, connection: Connection): InfoValues {
  const { options } = connection
  return {
    ...NOTHING,
    state: TCP_STATES.indexOf(connection.state),
    flags: optionFlags(connection),
    minRttUs: connection.minRttUs,
    retransmits: connection.retransmits,
    lostBytes: connection.recovery?.board.bytes(LOST) ?? 0,
    sackedBytes: connection.recovery?.board.bytes(SACKED) ?? 0,
    reorderSeen: connection.reorderSeen ? 1 : 0,
    softError: connection.softError,
    keepProbes: connection.keepProbes,
    rcvWscale: connection.rcvWscale,
    sndWscale: connection.sndWscale,
    userTimeoutMs: options.userTimeoutMs,
    tos: options.tos,
    congestion: stack.algorithms.indexOf(connection.congestion?.algorithm ?? stack.algorithms.chosen(options.congestion)),
    keepIdleMs: options.keepIdleMs,
    rxLimitBytes: options.rxLimitBytes,
    txLimitBytes: options.txLimitBytes,
    ...(connection.flow < 0 ? {} : flowInfo(stack, connection)),
  }
}

const NOTHING = Object.fromEntries(INFO_NAMES.map((name) => [name, 0])) as InfoValues

function optionFlags(connection: Connection): number {
  const { options } = connection
  return (connection.timestamps ? INFO_TIMESTAMPS : 0) | (options.noDelay ? INFO_NO_DELAY : 0)
    | (options.keepIdleMs > 0 ? INFO_KEEP_ALIVE : 0) | (connection.rcvWscale + connection.sndWscale > 0 ? INFO_WINDOW_SCALING : 0)
}

function flowInfo(stack: Stack, connection: Connection): Partial<InfoValues> {
  const word = (index: number): number => stack.flows.word(connection, index)
  const flags = word(TCB_FLAGS)
  return {
    flags: flowFlags(connection, flags),
    rttUs: srttUs(stack, connection),
    minRttUs: minRttUs(stack, connection),
    rttvarUs: word(TCB_RTTVAR_US4) >>> 2,
    rtoUs: Math.round(backedOffUs(stack, connection)),
    backoff: connection.backoff,
    mssBytes: mssOf(stack, connection),
    cwndBytes: connection.cwnd,
    ssthreshBytes: connection.ssthresh,
    rateKbps: word(TCB_RATE_KBPS) >>> 0,
    outOfOrderBytes: Math.max(seqDiff(word(TCB_OOO_END), word(TCB_OOO_START)), 0),
    rcvWndBytes: rcvWindow(stack, connection),
    sndWndBytes: word(TCB_SND_WND) >>> 0,
    heardMs: quietMs(stack, connection),
    rxBufferBytes: 2 ** stack.flows.byte(connection, TCB_RX_LOG2_U8),
    txBufferBytes: 2 ** stack.flows.byte(connection, TCB_TX_LOG2_U8),
    inFlightBytes: inFlight(stack, connection),
    ...byteCounts(connection, word, (flags & FLAG_FIN_RECEIVED) !== 0),
  }
}

/** Of the stream alone: SYN and FIN, which take sequence numbers, are not counted. */
function byteCounts(connection: Connection, word: (index: number) => number, hasPeerFin: boolean): Partial<InfoValues> {
  const first = seqAdd(connection.iss, 1)
  const [una, max, end] = [word(TCB_SND_UNA), word(TCB_SND_MAX), word(TCB_SND_END)]
  const dataEnd = (seq: number): number => seqDiff(seq, end) > 0 ? end : seq
  return {
    unsentBytes: Math.max(seqDiff(end, max), 0),
    ackedBytes: (dataEnd(una) - first) >>> 0,
    sentBytes: (dataEnd(max) - first) >>> 0,
    receivedBytes: (word(TCB_RCV_NXT) - connection.irs - 1 - (hasPeerFin ? 1 : 0)) >>> 0,
  }
}

/** What was agreed on stands in the TCB, and what the worker has been told of the options. */
function flowFlags(connection: Connection, flags: number): number {
  const pairs = [[FLAG_TIMESTAMPS, INFO_TIMESTAMPS], [FLAG_SACK, INFO_SACK], [FLAG_ECN, INFO_ECN]] as const
  let info = optionFlags(connection) & ~INFO_NO_DELAY
  for (const [flag, bit] of pairs) if ((flags & flag) !== 0) info |= bit
  return (flags & FLAG_NAGLE) === 0 ? info | INFO_NO_DELAY : info
}
