/** The program of a simulated host: sends and receives flows through the public library. What the bytes are does not matter, so none are written. */
import {
  CONN_CLOSED, CONN_OPEN, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, createEvents, LISTEN_ACCEPT, type Connection, type ConnectOptions, type Context,
  type Listener, type TasEvent,
} from '../../lib/tas/index.js'
import type { Fabric } from './fabric.js'

const PORT = 5001
const BACKLOG = 1024
const WRITE_BYTES = 1 << 20

/** Bytes from one host to another over a connection of their own. Times in microseconds since the beginning. */
export class Flow {
  readonly from: number
  readonly to: number
  /** Infinity: as long as the experiment lasts. */
  readonly lenBytes: number
  /** When its program wanted it: the handshake is part of it unless the connection was opened before. */
  startUs: number
  received = 0
  /** When the last byte was received; NaN before. */
  endUs = Number.NaN
  /** errno number that ended it, 0 as long as nothing went wrong. */
  status = 0
  /** At the sender, once it is open. */
  connection: Connection | null = null
  /** The connection is open, or will be, and nothing is sent yet. */
  isHeld = false
  private unsent: number
  private lowWater = 0

  constructor(from: number, to: number, lenBytes: number, startUs: number) {
    this.from = from
    this.to = to
    this.lenBytes = lenBytes
    this.startUs = startUs
    this.unsent = lenBytes
  }

  get isDone(): boolean {
    return this.received >= this.lenBytes
  }

  /** Payload bytes that were received since this was last asked. */
  take(): number {
    const bytes = this.received - this.lowWater
    this.lowWater = this.received
    return bytes
  }

  /** Gives TAS as much as it takes; closes behind the last byte. */
  pump(connection: Connection): void {
    if (this.isHeld) return
    while (this.unsent > 0) {
      const got = connection.txAlloc2(Math.min(this.unsent, WRITE_BYTES))
      if (got === 0) return
      connection.txSend(got)
      this.unsent -= got
    }
    if (connection.state === 'open') connection.txClose()
  }
}

/** Flows that senders have opened and receivers have not yet met: by addresses and ports. */
export class Ledger {
  private readonly flows = new Map<string, Flow>()

  opened(flow: Flow, port: number): void {
    this.flows.set(`${flow.from}:${port}>${flow.to}`, flow)
  }

  /** The flow that arrives at `to`, or null. */
  meet(remoteAddress: string, port: number, to: number): Flow | null {
    const from = remoteAddress.split('.').reduce((word, part) => (word << 8) | Number(part), 0)
    const key = `${from}:${port}>${to}`
    const flow = this.flows.get(key) ?? null
    this.flows.delete(key)
    return flow
  }
}

export class FlowProgram {
  private readonly context: Context
  private readonly fabric: Fabric
  private readonly ip: number
  private readonly ledger: Ledger
  private readonly wake: () => void
  private readonly listener: Listener
  private readonly sending = new Map<Connection, Flow>()
  private readonly receiving = new Map<Connection, Flow | null>()
  private readonly events = createEvents(64)

  constructor(context: Context, fabric: Fabric, ip: number, ledger: Ledger, wake: () => void) {
    this.context = context
    this.fabric = fabric
    this.ip = ip
    this.ledger = ledger
    this.wake = wake
    this.listener = context.listen(PORT, { backlog: BACKLOG })
    this.listener.accept()
  }

  /** Opens a connection to host `to` and sends `lenBytes`. */
  send(to: number, lenBytes: number, options: ConnectOptions = {}): Flow {
    const flow = new Flow(this.ip, to, lenBytes, this.fabric.elapsedUs)
    this.sending.set(this.context.connect(to, PORT, options), flow)
    this.wake()
    return flow
  }

  /** Opens a connection to host `to` that sends `lenBytes` once `begin` says so. */
  open(to: number, lenBytes: number): Flow {
    const flow = this.send(to, lenBytes)
    flow.isHeld = true
    return flow
  }

  /** A flow that was opened begins to send. Throws Error if it is not open yet. */
  begin(flow: Flow): void {
    if (flow.connection === null) throw new Error(`the connection to ${flow.to} is not open: status ${flow.status}`)
    flow.isHeld = false
    flow.startUs = this.fabric.elapsedUs
    flow.pump(flow.connection)
    this.wake()
  }

  /** One poll. Returns the number of events. */
  step(): number {
    const count = this.context.poll(this.events)
    for (let i = 0; i < count; i++) this.handle(this.events[i])
    this.context.flush()
    return count
  }

  private handle(event: TasEvent): void {
    if (event.type === CONN_RECEIVED) this.received(event)
    else if (event.type === CONN_SENDBUF) this.sending.get(event.connection)?.pump(event.connection)
    else if (event.type === CONN_OPEN) this.opened(event)
    else if (event.type === LISTEN_ACCEPT) this.accepted(event)
    else if (event.type === CONN_RXCLOSED) event.connection.close()
    else if (event.type === CONN_CLOSED) this.closed(event)
  }

  private opened({ connection, status }: TasEvent): void {
    const flow = this.sending.get(connection)
    if (flow === undefined) return
    flow.status = status
    if (status !== 0) return
    flow.connection = connection
    this.ledger.opened(flow, connection.localPort)
    flow.pump(connection)
  }

  private accepted({ connection, status }: TasEvent): void {
    if (status !== 0) return
    this.receiving.set(connection, this.ledger.meet(connection.remoteAddress, connection.remotePort, this.ip))
    this.listener.accept()
  }

  private received({ connection, total }: TasEvent): void {
    connection.rxDone(total)
    const flow = this.receiving.get(connection)
    if (!flow) return
    flow.received += total
    if (flow.isDone) flow.endUs = this.fabric.elapsedUs
  }

  private closed({ connection, status }: TasEvent): void {
    const flow = this.sending.get(connection)
    if (flow !== undefined && status !== 0) flow.status = status
    this.sending.delete(connection)
    this.receiving.delete(connection)
  }
}
