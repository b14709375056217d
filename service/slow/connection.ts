/** A TCP connection as the slow path keeps it: from the first SYN to the end of TIME-WAIT. */
import type { SourceRoute } from '../../lib/wire/index.js'
import type { App, AppContext } from './app.js'
import type { Neighbor } from './arp.js'
import { Link } from './chain.js'
import type { CongestionState } from './congestion/state.js'
import type { FourTuple } from './isn.js'
import { DEFAULT_OPTIONS, type ConnOptions } from './connoptions.js'
import type { Listener } from './listeners.js'
import type { PathState, PendingMtu } from './pathmtu.js'
import type { Recovery } from './recovery/state.js'
import type { Timer } from './timers.js'

/** States of RFC 9293, 3.3.2. */
export type TcpState = 'SYN-SENT' | 'SYN-RECEIVED' | 'ESTABLISHED' | 'FIN-WAIT-1' | 'FIN-WAIT-2' | 'CLOSE-WAIT' |
  'CLOSING' | 'LAST-ACK' | 'TIME-WAIT' | 'CLOSED'

/** Who has a connection's TCB. */
export type FlowPhase =
  /** No TCB: handshake, or TIME-WAIT. */
  | 'none'
  /** A worker. */
  | 'worker'
  /** A worker that has been told to let go. */
  | 'removing'
  /** No worker any more, but the application may still read from the buffer. */
  | 'kept'

/** A piece that a connection's flow is to change to, of 2^log2 bytes, `place` in BUFFER_UNIT_BYTES. */
export interface Grant {
  readonly place: number
  readonly log2: number
  /** The connection is idle: the piece before gives its pages back. */
  readonly isTrim: boolean
}

export class Connection implements FourTuple {
  readonly localIp: number
  readonly localPort: number
  readonly remoteIp: number
  readonly remotePort: number
  state: TcpState = 'CLOSED'
  /** Next connection in the same place of the table. */
  next: Connection | null = null
  /** Its places: among all connections; among those of its application; at its listener, later among those in TIME-WAIT. */
  readonly inTable = new Link<Connection>(this)
  readonly inApp = new Link<Connection>(this)
  readonly inQueue = new Link<Connection>(this)

  // Handshake and TIME-WAIT; while a worker has the flow, its TCB counts.
  /** ISS and IRS (RFC 9293, 3.3.1). */
  iss = 0
  irs = 0
  sndNxt = 0
  rcvNxt = 0
  /** The peer's window as of its last handshake segment, in bytes. */
  sndWnd = 0
  /** The peer's MSS option, or the default of RFC 9293, 3.7.1. */
  peerMss = 536
  sndWscale = 0
  rcvWscale = 0
  /** The peer's SYN has the window scale option: then ours may (RFC 7323, 2.2). */
  peerScales = false
  timestamps = false
  tsRecent = 0
  /** Both sides permit selective acknowledgments (RFC 2018, 2). */
  sack = false
  /** Every SYN that we sent asked for ECN, and ECN as agreed on (RFC 3168, 6.1.1). */
  asksEcn = false
  ecn = false
  /** When the last SYN or SYN-ACK was sent and when the first, -1 if that is not known; how often it was sent again. */
  sentUs = 0
  firstSentUs = -1
  /** When its application asked for it, -1 for a passive open. */
  askedUs = -1
  retries = 0
  /** Round-trip time of the handshake in microseconds, 0 if it was not measured (Karn). */
  handshakeRttUs = 0
  /** A SYN or SYN-ACK of ours was lost (handshaketime.ts), known once its acknowledgment is there. */
  isSynLost = false
  isSynAcked = false
  /** We sent the first SYN. */
  readonly isActive: boolean

  /** While half-open: the connection in TIME-WAIT whose place it takes. */
  follows: Connection | null = null
  /** Challenge acknowledgments lately (challengelimit.ts). */
  challenges = 0
  challengeUs = 0

  // The application's side.
  listener: Listener | null = null
  app: App | null = null
  context: AppContext | null = null
  handle = 0
  /** The application has been given this connection: it gets EV_CONN_CLOSED. */
  isAppKnown = false
  /** The application has closed it, or is gone: nobody reads the buffer. */
  isAppClosed = false

  // The flow.
  /** The worker that has it, or is to have it. */
  worker = 0
  /** While it changes its worker (changeover.ts): the one that has not let go yet. Otherwise -1. */
  leaves = -1
  /** How often it has changed its worker, modulo 2^16. */
  turn = 0
  flow = -1
  gen = 0
  phase: FlowPhase = 'none'
  /** Start of receive and transmit buffer in BUFFER_UNIT_BYTES, -1 without. */
  buffer = -1
  txBuffer = -1
  /** log2 of the lengths of receive and transmit buffer. */
  rxLog2 = 0
  txLog2 = 0
  /** Buffers that are granted in exchange for those (autotune.ts). */
  rxMove: Grant | null = null
  txMove: Grant | null = null
  /** The receive buffer has pages. */
  isRxUsed = false
  /** TCB_ACKED_BYTES when the transmit buffer last gave its pages back. */
  ackedAtTrim = 0
  /** What was received and written when it was last looked at whether the connection is idle. */
  idleMark = 0
  neighbor: Neighbor | null = null
  /** The way of all that is sent (sourceroutes.ts). */
  sourceRoute: SourceRoute | null = null
  /** Another one waits for its neighbour's address. */
  isRouteSought = false
  /** Error that ended the connection, 0 for an orderly end. */
  error = 0
  /** Send a RST once the worker has let go and the numbers are final. */
  resetPeer = false

  // Retransmission (retransmit.ts).
  isWatched = false
  backoff = 0
  /** SND.UNA at the last look, and since when it has been seen to stand there: unlike `progressUs` no timeout changes that. */
  lastUna = 0
  unackedUs = 0
  /** When the retransmission timeout that runs began. */
  progressUs = 0
  /** The timer that runs is the persist timer. */
  isProbing = false

  // Loss recovery (recovery/recovery.ts).
  recovery: Recovery | null = null
  /** The network has delivered out of order; how long a hole may wait for that (RFC 8985, 6.2 step 4). */
  reorderSeen = false
  reorderWindowMult = 1
  reorderWindowPersists = 0
  /** Least round-trip time seen, microseconds; 0 before the first. */
  minRttUs = 0
  /** Segments sent again. */
  retransmits = 0
  /** A tail loss probe is out since the last progress. */
  hasProbed = false

  // What routers say (icmperrors.ts, softerror.ts, pathmtu.ts).
  softErrorUna = 0
  /** What is known of the path's MTU, null as long as it is the interface's. */
  path: PathState | null = null
  pendingMtu: PendingMtu | null = null
  // Peers that do not read (stalled.ts).
  /** Since when the peer has held data up, -1: not known to do so; bytes acknowledged by then. */
  stallSinceUs = -1
  stallAcked = 0

  // Congestion control (congestion/control.ts), from the flow's beginning on.
  congestion: CongestionState | null = null
  cwnd = 0
  ssthresh = 0x7fffffff

  /** RCV.UP (RFC 9293, 3.3.1) as it came last, and whether the application is still to be told (urgent.ts). */
  rcvUp: number | null = null
  owesUrgent = false

  /** Last error that did not end the connection (RFC 9293, 3.9.2.2), an errno number or 0. */
  softError = 0

  // Keepalive (keepalive.ts): probes since the last answer, and when that was.
  keepProbes = 0
  keepHeard = 0
  keepTimer: Timer | null = null
  lingerTimer: Timer | null = null
  /** Its own options; until it has any, those of the listener it came to. */
  private ownOptions: ConnOptions | null = null

  /** Handshake, retransmission or TIME-WAIT: never two of them at once. */
  timer: Timer | null = null
  /** Waits for a FIN after the application has closed. */
  closeTimer: Timer | null = null
  idleTimer: Timer | null = null

  constructor(tuple: FourTuple, isActive: boolean) {
    this.localIp = tuple.localIp
    this.localPort = tuple.localPort
    this.remoteIp = tuple.remoteIp
    this.remotePort = tuple.remotePort
    this.isActive = isActive
  }

  /** Our SYN has, or is to have, sequence number `iss`. */
  startAt(iss: number): void {
    this.iss = iss
    this.sndNxt = (iss + 1) | 0
  }

  /** Its handshake is under way. */
  get isOpening(): boolean {
    return this.state === 'SYN-SENT' || this.state === 'SYN-RECEIVED'
  }

  /** A worker may touch its buffers. */
  get isWithWorker(): boolean {
    return this.phase === 'worker' || this.phase === 'removing'
  }

  /** The peer may still send data (RFC 9293, 3.10.7.4, seventh). */
  get mayReceive(): boolean {
    return this.state === 'ESTABLISHED' || this.state === 'FIN-WAIT-1' || this.state === 'FIN-WAIT-2'
  }

  get options(): ConnOptions {
    return this.ownOptions ?? this.listener?.options ?? DEFAULT_OPTIONS
  }

  set options(options: ConnOptions) {
    this.ownOptions = options
  }

  /** Most bytes of its receive buffer, Infinity for no limit of its own. */
  get rxLimitBytes(): number {
    return this.options.rxLimitBytes || Infinity
  }

  /** Most bytes of its transmit buffer, Infinity for no limit of its own. */
  get txLimitBytes(): number {
    return this.options.txLimitBytes || Infinity
  }
}
