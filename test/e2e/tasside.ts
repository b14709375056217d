/** TAS's side of a test: the flextcp library with promises. */
import {
  CONN_CLOSED, CONN_OPEN, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, CONN_TXCLOSED, LISTEN_ACCEPT, LISTEN_NEWCONN,
  LISTEN_OPEN, Tas, type Connection, type ConnectOptions, type Context, type Listener, type TasEvent,
} from '../../lib/tas/index.js'
import { until } from '../../tools/netlab/wait.js'

const WAIT_MS = 30_000

/** A connection with what has happened on it. */
export class TasSocket {
  readonly connection: Connection
  opened = false
  rxClosed = false
  txClosed = false
  /** Code that ended it ('' for an orderly end), null while it lives. */
  closedCode: string | null = null
  /** Whether received bytes are given back at once. */
  private reading = true
  private received: Buffer[] = []
  private receivedLen = 0

  constructor(connection: Connection) {
    this.connection = connection
  }

  /** Bytes received and not yet read by the test. */
  get available(): number {
    return this.receivedLen
  }

  /** @internal */
  handle(event: TasEvent): void {
    if (event.type === CONN_OPEN || event.type === LISTEN_ACCEPT) {
      if (event.status === 0) this.opened = true
      else this.closedCode = event.code
    }
    if (event.type === CONN_RECEIVED) this.take(event)
    if (event.type === CONN_RXCLOSED) this.rxClosed = true
    if (event.type === CONN_TXCLOSED) this.txClosed = true
    if (event.type === CONN_CLOSED) this.closedCode = event.code
  }

  private take(event: TasEvent): void {
    this.received.push(Buffer.from(event.bytes), Buffer.from(event.bytes2))
    this.receivedLen += event.total
    if (this.reading) this.connection.rxDone(event.total)
  }

  /** From here on received bytes are not given back: the window closes. */
  stopReading(): void {
    this.reading = false
  }

  /** Gives back what was held and goes on reading. */
  startReading(): void {
    this.reading = true
    if (this.connection.rxAvailable > 0) this.connection.rxDone(this.connection.rxAvailable)
  }

  /** Waits for exactly `len` bytes. */
  async read(len: number): Promise<Buffer> {
    await this.wait(`${len} bytes`, () => this.receivedLen >= len)
    const all = Buffer.concat(this.received)
    this.received = [all.subarray(len)]
    this.receivedLen = all.length - len
    return all.subarray(0, len)
  }

  /** Writes everything, waiting for room. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const got = this.connection.write(bytes.subarray(at))
      at += got
      if (got === 0) await this.wait('room to send', () => this.connection.txFree > 0)
    }
  }

  /** Waits until it is gone. Returns the code that ended it, '' for an orderly end. */
  async closed(): Promise<string> {
    await until('CONN_CLOSED', () => this.closedCode !== null, WAIT_MS)
    return this.closedCode ?? ''
  }

  /** Waits for a condition; throws Error if the connection ends before. */
  async wait(what: string, condition: () => boolean): Promise<void> {
    await until(what, () => {
      if (condition()) return true
      if (this.closedCode !== null) throw new Error(`waiting for ${what}: connection ended (${this.closedCode || 'closed'})`)
      return false
    }, WAIT_MS)
  }
}

/** A program on TAS, attached to this process's event loop. */
export class TasSide {
  readonly tas: Tas
  readonly context: Context
  private readonly sockets = new Map<Connection, TasSocket>()
  private readonly accepted = new Map<Listener, TasSocket[]>()
  private readonly listenStatus = new Map<Listener, string>()

  constructor(socket: string) {
    this.tas = Tas.connect({ socket, name: 'test' })
    this.context = this.tas.createContext()
    this.context.attach(event => this.handle(event))
  }

  private handle(event: TasEvent): void {
    switch (event.type) {
      case LISTEN_OPEN: this.listenStatus.set(event.listener, event.code); return
      case LISTEN_NEWCONN: this.enter(event.listener.accept()); return
      case LISTEN_ACCEPT: {
        const socket = this.sockets.get(event.connection)
        socket?.handle(event)
        if (event.status === 0 && socket !== undefined) this.accepted.get(event.listener)?.push(socket)
        return
      }
      case CONN_OPEN: case CONN_RECEIVED: case CONN_RXCLOSED: case CONN_TXCLOSED: case CONN_SENDBUF: case CONN_CLOSED:
        this.sockets.get(event.connection)?.handle(event)
        return
    }
  }

  private enter(connection: Connection): TasSocket {
    const socket = new TasSocket(connection)
    this.sockets.set(connection, socket)
    return socket
  }

  /** Listens and waits until that is so. Throws Error with the code if it fails. */
  async listen(port: number): Promise<Listener> {
    const listener = this.context.listen(port)
    this.accepted.set(listener, [])
    await until(`LISTEN_OPEN of port ${port}`, () => this.listenStatus.has(listener))
    const code = this.listenStatus.get(listener)
    if (code !== '') throw new Error(`listen on port ${port}: ${code}`)
    return listener
  }

  /** Waits for a connection. */
  accept(listener: Listener): Promise<TasSocket> {
    return until('LISTEN_ACCEPT', () => this.accepted.get(listener)?.shift(), WAIT_MS)
  }

  /** Opens a connection; resolves when it is open or has failed (`closedCode`). */
  async connect(address: string, port: number, options: ConnectOptions = {}): Promise<TasSocket> {
    const socket = this.enter(this.context.connect(address, port, options))
    await until(`CONN_OPEN to ${address}:${port}`, () => socket.opened || socket.closedCode !== null, WAIT_MS)
    return socket
  }

  close(): void {
    this.tas.close()
  }
}
