/** TCP connections (struct flextcp_connection). */
import {
  AS_BUFFER, AS_FLOW, AS_GEN_WORKER, AS_LOCAL_IP, AS_OPTION, AS_PORTS, AS_REMOTE_IP, AS_RX_BASE, AS_SIZES, AS_TX_BASE, AS_TX_BUFFER,
  BUFFER_UNIT_BYTES, powerOfTwo, REQ_CONN_CLOSE, REQ_CONN_INFO, REQ_CONN_MOVE, REQ_CONN_OPTION,
} from '../memif/index.js'
import { formatAddress } from './address.js'
import { copyBytes } from './bytecopy.js'
import { type ConnectionInfo, InfoRequests, type InfoWaiter } from './connectioninfo.js'
import { checkLinger, type CloseOptions, type ConnectionOptions, type OptionName, optionWords } from './connectionoptions.js'
import type { Context } from './context.js'
import { errorOfStatus, TasError } from './errors.js'
import { describe, type HandedConnection, restore } from './handing.js'
import type { Listener } from './listener.js'
import { ReceiveStream } from './receivestream.js'
import { TransmitStream } from './transmitstream.js'

function closedError(): TasError {
  return new TasError('EBADF', 'the connection was closed by this program')
}

/** Where a connection stands, from the program's point of view. */
export type ConnectionState = 'opening' | 'accepting' | 'open' | 'closing' | 'closed'

/**
 * A TCP connection; made by `Context.connect` and `Listener.accept`.
 *
 * What is done to a connection is handed over at the latest when its context is next polled,
 * blocked on or flushed; when the context is attached to the event loop, by itself.
 * Using it before it is open throws ENOTCONN, after close() or abort() EBADF. A connection that ended by
 * itself takes calls without effect on the peer (its CONN_CLOSED may stand in the same batch as the data before it).
 */
export class Connection {
  /** @internal */ readonly handle: number
  /** @internal */ readonly rx = new ReceiveStream()
  /** @internal */ readonly tx = new TransmitStream()
  /** @internal */ flow = -1
  /** @internal */ gen = 0
  /** @internal */ worker = 0
  /** @internal How often it has changed its worker, as its last event says (EVENT_TURN_SHIFT); -1 before the first. */ turn = -1
  /** @internal Next older connection of the same flow index (flows.ts). */ older: Connection | null = null
  /** @internal In the outbox's list. */ dirty = false
  /** @internal Did not fit its bump ring. */ held = false
  /** @internal In the inbox's list. */ listed = false
  /** @internal Request that follows the positions: REQ_CONN_CLOSE, REQ_CONN_MOVE or 0. */ request = 0
  /** @internal */ aborting = false
  /** @internal */ movingTo: Context | null = null
  /** @internal It comes from another thread; the service's answer is still to come. */ wasHanded = false
  /** @internal REQ_CONN_MOVE is on its way. */ moveSent = false
  /** @internal The service has let go of it. */ ended = false
  /** @internal Why it let go: 0 or an errno number. */ endStatus = 0
  /** @internal Everything that came before its end is known. */ drained = false
  /** @internal Its inbox counts it among those that end with data. */ counted = false
  /** @internal Count of the channel's events by which it is drained at the latest. */ drainBy = 0
  /** @internal Its last event has been delivered. */ over = false
  /** @internal How long it may take to close, milliseconds; -1 without limit. */ lingerMs = -1
  /** @internal Questions on their way. */ infoRequests: InfoRequests | null = null
  /** @internal The program has closed it. */ closedHere = false
  /** @internal */ readonly listener: Listener | null
  private current: ConnectionState
  private place: Context
  private remoteIp = 0
  private localIp = 0
  private ports = 0
  private segmentBytes = 0
  /** Options set before it was open, by number. */
  private laterOptions: Map<number, number[]> | null = null

  /** @internal */
  constructor(context: Context, handle: number, listener: Listener | null) {
    this.place = context
    this.handle = handle
    this.listener = listener
    this.current = listener === null ? 'opening' : 'accepting'
  }

  get state(): ConnectionState {
    return this.current
  }

  /** The context at which its events arrive. */
  get context(): Context {
    return this.place
  }

  /** Peer's address, '10.0.0.1'. */
  get remoteAddress(): string {
    return formatAddress(this.remoteIp)
  }

  get remotePort(): number {
    return this.ports >>> 16
  }

  get localAddress(): string {
    return formatAddress(this.localIp)
  }

  get localPort(): number {
    return this.ports & 0xffff
  }

  /** Most payload bytes in a segment to this peer; 0 before it is open. */
  get mss(): number {
    return this.segmentBytes
  }

  /** Received bytes that were reported and not given back with rxDone. */
  get rxAvailable(): number {
    return this.rx.available
  }

  /**
   * The whole receive buffer; bytes reported and not given back start at `rxOffset` and wrap at its end. It may be another object, and
   * another length, after each poll: the service gives a connection larger buffers when it needs them.
   */
  get rxBuffer(): Uint8Array {
    return this.rx.buffer
  }

  /** Where in `rxBuffer` the oldest byte stands that was not given back. */
  get rxOffset(): number {
    return (this.rx.read - this.rx.base) & this.rx.mask
  }

  /**
   * Bytes from `rxOffset` to the end of the peer's urgent data (RFC 9293, 3.8.5), whether they have arrived or not; 0: none. They stand
   * in the stream as all others.
   */
  get rxUrgent(): number {
    return this.rx.urgent
  }

  /** Bytes that txAlloc2 can give at once. */
  get txFree(): number {
    return this.current === 'open' ? this.tx.free : 0
  }

  /** Whether the peer has acknowledged everything that was sent and our FIN, also after `close`. */
  get txDelivered(): boolean {
    return this.tx.closed
  }

  /** The whole transmit buffer: write allocated bytes at `txOffset`. It may be another object after each allocation that follows a send. */
  get txBuffer(): Uint8Array {
    return this.tx.buffer
  }

  /** Where in `txBuffer` the last allocation starts. */
  get txOffset(): number {
    return this.tx.offset
  }

  /** Bytes of the last allocation from `txOffset` on. */
  get txLength(): number {
    return this.tx.length
  }

  /** Bytes of the last allocation that go on at the start of `txBuffer` (txAlloc2 only). */
  get txLength2(): number {
    return this.tx.length2
  }

  /**
   * Gives the oldest `len` received bytes back: their place may be overwritten from then on.
   * Throws TasError EINVAL for more than were reported. flextcp_connection_rx_done.
   */
  rxDone(len: number): void {
    const isOver = this.current !== 'open' && this.unusable()
    this.rx.done(len)
    if (isOver) return
    this.touch()
  }

  /**
   * Allocates up to `len` bytes in one piece of `txBuffer`, at `txOffset`; behind earlier allocations that were not yet
   * sent. Returns how many: fewer at the buffer's end (call again for the rest) or when it is full
   * (CONN_SENDBUF comes when there is room). Allocates no objects. flextcp_connection_tx_alloc.
   */
  txAlloc(len: number): number {
    return this.allocate(len, false)
  }

  /**
   * As txAlloc, in up to two pieces: `txLength` bytes at `txOffset` and `txLength2` bytes at the start of
   * `txBuffer`. Returns the sum. flextcp_connection_tx_alloc2.
   */
  txAlloc2(len: number): number {
    return this.allocate(len, true)
  }

  /** If the allocation comes short the worker must know what is waited for. */
  private allocate(len: number, wrap: boolean): number {
    if (this.current !== 'open' && this.unusable()) return 0
    if (this.tx.finQueued) throw new TasError('EPIPE', 'nothing can be sent after txClose()')
    const got = this.tx.alloc(len, wrap)
    if (got < len && this.tx.wanted !== 0) this.touch()
    return got
  }

  /** Sends the first `len` allocated bytes. Throws TasError EINVAL if fewer are allocated. flextcp_connection_tx_send. */
  txSend(len: number): void {
    if (this.current !== 'open' && this.unusable()) return
    this.tx.send(len)
    this.place.outbox.sent(this)
    this.place.changed()
  }

  /**
   * Marks all that was sent so far as urgent (the URGENT flag of RFC 9293, 3.9.1, SEND): the peer is told at once, even if its window is closed,
   * until it has acknowledged it. Routers may clear the mark, and few programs look at it (RFC 6093). The C API has no such call.
   */
  txUrgent(): void {
    if (this.current !== 'open' && this.unusable()) return
    this.tx.markUrgent()
    this.touch()
  }

  /**
   * Copies as much of `bytes`, or of its `len` bytes from `from` on, as fits and sends it. Returns how many bytes that was: fewer than given
   * means that CONN_SENDBUF will come. Not for use while allocated bytes are unsent, nor with a range that `bytes` does not have (EINVAL).
   */
  write(bytes: Uint8Array, from = 0, len = bytes.length - from): number {
    if (this.tx.allocated > 0) throw new TasError('EINVAL', 'write() while allocated bytes are unsent')
    checkRange(bytes, from, len)
    const got = this.txAlloc2(len)
    if (got === 0) return 0
    const { buffer, offset, length, length2 } = this.tx
    copyBytes(buffer, offset, bytes, from, length)
    if (length2 > 0) copyBytes(buffer, 0, bytes, from + length, length2)
    this.txSend(got)
    return got
  }

  /**
   * Copies the oldest received bytes into `target`, or to its `len` bytes from `at` on; they stay until rxDone. Returns how many. Throws
   * TasError EINVAL for a range that `target` does not have.
   */
  peek(target: Uint8Array, at = 0, len = target.length - at): number {
    checkRange(target, at, len)
    const { rxAvailable, rxBuffer, rxOffset } = this
    const got = Math.min(len, rxAvailable)
    const first = Math.min(got, rxBuffer.length - rxOffset)
    copyBytes(target, at, rxBuffer, rxOffset, first)
    if (first < got) copyBytes(target, at + first, rxBuffer, 0, got - first)
    return got
  }

  /**
   * Sends nothing more: a FIN follows what was sent (RFC 9293, 3.6); receiving goes on. Allocated unsent bytes are
   * dropped. CONN_TXCLOSED comes when the peer has acknowledged everything. flextcp_connection_tx_close.
   */
  txClose(): void {
    if (this.current !== 'open' && this.unusable()) return
    if (this.tx.finQueued) return
    this.queueFin()
    this.touch()
  }

  /**
   * Whether what is sent now can be handed over at the next flush: false while the ring to the worker is full. Sending
   * is allowed even so; CONN_SENDBUF comes once the ring has room. flextcp_connection_tx_possible.
   */
  txPossible(): boolean {
    if (this.current !== 'open') return false
    if (this.held && this.tx.wanted === 0) this.tx.wanted = 1
    return !this.held
  }

  /**
   * Closes both directions; CONN_CLOSED comes when all is done, no other event before it. What was sent is still
   * delivered, unless received bytes are unread: then the connection is reset (RFC 1122, 4.2.2.13; RFC 2525, 2.17).
   * Does nothing if called again or after CONN_CLOSED. `lingerMs` limits how long that may take; 0 resets as abort() does.
   * Throws TasError EINVAL for a bad lingerMs. flextcp_connection_close; SO_LINGER.
   */
  close(options: CloseOptions = {}): void {
    const lingerMs = checkLinger(options.lingerMs)
    if (lingerMs !== undefined && lingerMs > 0 && this.current !== 'closing') this.lingerMs = lingerMs
    this.finish(this.rx.unread > 0 || lingerMs === 0)
  }

  /**
   * Sets an option; CONN_OPTION tells the result. Before the connection is open it is kept and set when it opens. Throws TasError
   * EINVAL for a bad value, ENOENT for a congestion control that there is not. setsockopt.
   */
  setOption<K extends OptionName>(name: K, value: NonNullable<ConnectionOptions[K]>): void {
    const words = optionWords(name, value)
    if (this.closedHere) throw closedError()
    if (this.current === 'open') {
      this.sendOption(words)
      this.place.changed()
    } else if (this.current !== 'closed') {
      this.laterOptions ??= new Map()
      this.laterOptions.set(words[0], words)
    }
  }

  /** Asks for the connection's state, times, windows and counts; CONN_INFO answers. TCP_INFO. */
  requestInfo(): void {
    if (this.current !== 'open' && this.unusable()) return
    this.askInfo(null)
  }

  /**
   * The same as a promise, without an event. It settles while the context is polled or attached; rejected with the error that ended
   * the connection if it ends first.
   */
  info(): Promise<ConnectionInfo> {
    return new Promise((resolve, reject) => {
      if (this.current !== 'open' && this.unusable()) throw this.endedError()
      this.askInfo({ resolve, reject })
    })
  }

  /** Resets the connection at once (ABORT call, RFC 9293 3.9.1). CONN_CLOSED comes. */
  abort(): void {
    this.finish(true)
  }

  /**
   * Hands the connection to another context of the same Tas. CONN_MOVED arrives there, and from then on all its events;
   * no others in between. If it fails (status), it stays where it was. Only one party may use a connection: until CONN_MOVED
   * the one that called this may still send, later the one that polls the new context. flextcp_connection_move.
   */
  move(context: Context): void {
    if (this.current !== 'open' && this.unusable()) return
    if (this.movingTo !== null) throw new TasError('EALREADY', 'the connection is already moving')
    if (context.tas !== this.place.tas) throw new TasError('EXDEV', 'the context belongs to another Tas')
    if (context.isClosed) throw new TasError('EBADF', 'the context is closed')
    if (context === this.place) throw new TasError('EINVAL', 'the connection is at this context already')
    this.movingTo = context
    this.request = REQ_CONN_MOVE
    this.touch()
  }

  /**
   * Lets the connection go, for another thread that shares the application (`Tas.share`): `postMessage` can carry what this returns to
   * `Context.adopt` there. Here it is closed, without an event; until a thread adopts it nobody has it, and nothing is lost. Throws TasError
   * EALREADY while it moves, ENOTCONN if it has ended, EINVAL while allocated bytes are unsent or after txClose. The C API has no such function.
   */
  release(): HandedConnection {
    if (this.current !== 'open' && this.unusable()) throw this.endedError()
    if (this.movingTo !== null) throw new TasError('EALREADY', 'the connection is moving')
    if (this.tx.allocated > 0 || this.tx.finQueued) throw new TasError('EINVAL', 'release() while allocated bytes are unsent, or after txClose()')
    const { remoteIp, localIp, ports, segmentBytes: mss } = this
    const handed = describe(this, { remoteIp, localIp, ports, mss })
    this.closedHere = true
    // Whoever adopts it hands its positions over.
    this.moveSent = true
    this.finished()
    this.place.letGo(this)
    return handed
  }

  /** @internal Another thread has let it go; it is on its way to this context. */
  restore(handed: HandedConnection): void {
    this.open(Int32Array.from(handed.words), 0)
    restore(this.rx, this.tx, handed)
    this.movingTo = this.place
    this.moveSent = true
    this.wasHanded = true
  }

  /** @internal The 2^log2 bytes of the region that start at `place` BUFFER_UNIT_BYTES. */
  piece(place: number, log2: number): Uint8Array {
    const start = (place >>> 0) * BUFFER_UNIT_BYTES
    return this.place.tas.link.bytes.subarray(start, start + powerOfTwo(log2))
  }

  /** @internal The connection is open: `at` is the entry of EV_CONN_OPEN or EV_LISTEN_ACCEPT. */
  open(words: Int32Array, at: number): void {
    this.flow = words[at + AS_FLOW]
    this.gen = words[at + AS_GEN_WORKER] & 0xffff
    this.worker = words[at + AS_GEN_WORKER] >>> 16
    this.turn = -1
    this.remoteIp = words[at + AS_REMOTE_IP]
    this.localIp = words[at + AS_LOCAL_IP]
    this.ports = words[at + AS_PORTS]
    const sizes = words[at + AS_SIZES]
    this.segmentBytes = sizes >>> 16
    const rxPlace = words[at + AS_BUFFER]
    const txPlace = words[at + AS_TX_BUFFER]
    this.rx.open(this.piece(rxPlace, sizes & 0xff), rxPlace, words[at + AS_RX_BASE])
    this.tx.open(this.piece(txPlace, (sizes >>> 8) & 0xff), txPlace, words[at + AS_TX_BASE])
    // Closed meanwhile: the slow path knows it by its handle, so that the request that is on its way still ends it.
    if (this.current === 'closing') return
    this.current = 'open'
    for (const option of this.laterOptions?.values() ?? []) this.sendOption(option)
    this.laterOptions = null
  }

  /**
   * @internal An event of turn `turn` (EVENT_TURN_SHIFT) has come from `worker`. Returns false if it is old: another worker has had the flow since.
   * To a worker that is new, or may have been told things before it had the flow, everything is said again.
   */
  follow(worker: number, turn: number): boolean {
    if (this.turn >= 0 && ((turn - this.turn) << 16) < 0) return false
    const isHeard = this.turn < 0 && turn === 0 && worker === this.worker
    this.turn = turn
    this.worker = worker
    if (!isHeard) this.touch()
    return true
  }

  /** @internal The service has let go; CONN_CLOSED, or the failed result, is due once `drained`. */
  end(status: number): void {
    this.ended = true
    this.endStatus = status
    if (this.current === 'open') this.current = 'closed'
  }

  /** @internal The move is over; the connection's events arrive at `context`. */
  moved(context: Context): void {
    this.place = context
    this.movingTo = null
    this.wasHanded = false
    this.moveSent = false
    this.listed = false
    this.dirty = false
  }

  /** @internal Its last event is delivered. */
  finished(): void {
    this.current = 'closed'
    this.over = true
    this.infoRequests?.fail(this.endedError())
  }

  private finish(abort: boolean): void {
    if (this.current === 'closing' || this.current === 'closed') return
    this.current = 'closing'
    this.closedHere = true
    // A move that has not been asked for yet is called off; one under way is finished first.
    if (!this.moveSent) this.movingTo = null
    this.aborting = abort
    this.infoRequests?.fail(closedError())
    if (!abort) this.queueFin()
    this.request = REQ_CONN_CLOSE
    this.touch()
  }

  private sendOption(words: readonly number[]): void {
    const entry = this.composeRequest(REQ_CONN_OPTION)
    entry.set(words, AS_OPTION)
    this.place.outbox.requests.send(entry)
  }

  private askInfo(waiter: InfoWaiter | null): void {
    this.infoRequests ??= new InfoRequests()
    this.infoRequests.add(waiter)
    this.place.outbox.requests.send(this.composeRequest(REQ_CONN_INFO))
    this.place.changed()
  }

  /** @internal A request about it, to be filled in and sent. */
  composeRequest(type: number): Int32Array {
    const entry = this.place.outbox.requests.compose(type, this.handle)
    entry[AS_FLOW] = this.flow
    entry[AS_GEN_WORKER] = this.gen | (this.worker << 16)
    return entry
  }

  private endedError(): TasError {
    const what = 'the connection has ended'
    return this.endStatus === 0 ? new TasError('ENOTCONN', what) : errorOfStatus(this.endStatus, what)
  }

  /** Positions have changed, or a request is to follow them. */
  private touch(): void {
    this.place.outbox.touch(this)
    this.place.changed()
  }

  private queueFin(): void {
    this.tx.allocated = 0
    this.tx.finQueued = true
  }

  /** What a call on a connection that is not open means: true for no effect, otherwise an error. */
  private unusable(): boolean {
    if (this.closedHere) throw closedError()
    if (this.current !== 'closed') throw new TasError('ENOTCONN', 'the connection is not open yet')
    return true
  }
}

function checkRange({ length }: Uint8Array, from: number, len: number): void {
  if (Number.isInteger(from) && Number.isInteger(len) && from >= 0 && len >= 0 && from + len <= length) return
  throw new TasError('EINVAL', `${len} bytes from ${from} on: there are ${length}`)
}
