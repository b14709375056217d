/** Connections under congestion control, whose worker the test plays. */
import {
  CONGESTION_CONTROLS, EV_LISTEN_ACCEPT, FLAG_CWND_LIMITED, OPTION_CONGESTION, REQ_CONN_OPTION, REQ_LISTEN_ACCEPT, REQ_LISTEN_OPEN, TCB_ACKED_BYTES,
  TCB_CWND, TCB_ECN_BYTES, TCB_FLAGS, TCB_HEARD_MS, TCB_RATE_KBPS, TCB_RTTVAR_US4, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA,
  TCB_SND_WND, TCB_SRTT_US8, TO_FAST_FLOW_UPDATE, WHAT_ACTIVE, WHAT_CWND_LIMITED, type CongestionControl,
} from '../../../lib/memif/index.js'
import { TCP_CWR, TCP_ECE } from '../../../lib/wire/index.js'
import { type Algorithm, type CongestionConfig, DEFAULT_CONGESTION, DEFAULT_TCP, type EcnMode } from '../../../service/slow/index.js'
import { LISTEN_PORT, PEER_PORT } from '../harness.js'
import { CONNECTION, LISTENER, type Open, PEER_ISS, PEER_OPTIONS, type Scene, scene, TCP_ACK, TCP_SYN } from '../scenes.js'
import { listConnections } from '../../connectionlist.js'

export interface Setting {
  readonly cc?: Partial<CongestionConfig>
  readonly ecn?: EcnMode
  readonly linkBwGbps?: number
  readonly module?: Algorithm
  /** What the listener's connections choose. */
  readonly choice?: CongestionControl
}

/** A host whose connections have transmit buffers of 1 MiB. */
export function begun({ cc = {}, ecn = 'auto', linkBwGbps = 10, module }: Setting = {}): Scene {
  return scene({
    config: {
      tcp: { ...DEFAULT_TCP, rxBufLen: 4096, txBufLen: 1 << 20, ecn, linkBwGbps }, appRegionBytes: 1 << 25, cc: { ...DEFAULT_CONGESTION, ...cc },
    },
    ...(module ? { congestionModule: module } : {}),
  })
}

/** Listens on a host that has been begun. */
export function listenOn({ context }: Scene, choice?: CongestionControl): void {
  if (choice) context.request(REQ_CONN_OPTION, LISTENER, { flow: -1, option: OPTION_CONGESTION, value: CONGESTION_CONTROLS.indexOf(choice) })
  context.request(REQ_LISTEN_OPEN, LISTENER, { ports: LISTEN_PORT, backlog: 4 })
  context.read()
}

/** Accepts a connection, asked for with ECN or without, whose handshake takes `rttUs`. */
export function acceptOn(from: Scene, { hasEcn = true, rttUs = 100, remotePort = PEER_PORT } = {}): Played {
  const { host, context } = from
  host.send({ seq: PEER_ISS, flags: hasEcn ? TCP_SYN | TCP_ECE | TCP_CWR : TCP_SYN, remotePort, options: PEER_OPTIONS })
  const [synAck] = host.sent()
  host.nowUs += rttUs
  host.send({ seq: PEER_ISS + 1, ack: synAck.seq + 1, flags: TCP_ACK, remotePort, options: { timestamps: { value: 501, echo: 0 } } })
  const handle = CONNECTION + remotePort - PEER_PORT
  context.request(REQ_LISTEN_ACCEPT, handle, { listener: LISTENER })
  const event = context.read().find(({ type }) => type === EV_LISTEN_ACCEPT)
  if (!event) throw new Error('no connection was accepted')
  host.work()
  host.sent()
  return new Played({ ...from, flow: event.flow, gen: event.gen, iss: synAck.seq, localPort: LISTEN_PORT, remotePort }, handle)
}

/** A connection with ECN whose handshake took 100 us. */
export function played(setting: Setting = {}, peer: Parameters<typeof acceptOn>[1] = {}): Played {
  const from = begun(setting)
  listenOn(from, setting.choice)
  return acceptOn(from, peer)
}

/** The worker's side of a flow. */
export class Played {
  readonly open: Open
  readonly handle: number

  constructor(open: Open, handle: number) {
    this.open = open
    this.handle = handle
    this.set(TCB_SND_WND, 1 << 24)
  }

  get rateKbps(): number {
    return this.word(TCB_RATE_KBPS)
  }

  get cwnd(): number {
    return this.word(TCB_CWND)
  }

  /** Name of the algorithm in force. */
  get algorithm(): string {
    const { localPort, remotePort } = this.open
    const rows = listConnections(this.open.host.slow, this.open.host.nowUs)
    const own = rows.find(({ local, remote }) => local.endsWith(`:${localPort}`) && remote.endsWith(`:${remotePort}`))
    return CONGESTION_CONTROLS[own?.congestion ?? -1]
  }

  word(index: number): number {
    return this.open.host.tcb(this.open.flow, index)
  }

  set(index: number, value: number): void {
    this.open.host.setTcb(this.open.flow, index, value)
  }

  rtt(us: number): this {
    this.set(TCB_SRTT_US8, us * 8)
    this.set(TCB_RTTVAR_US4, us * 2)
    return this
  }

  report(what: number): void {
    this.open.host.report(this.open.flow, this.open.gen, what)
  }

  /** The worker sends `bytes` and reports that there is something to time. */
  send(bytes: number): this {
    const end = (this.word(TCB_SND_MAX) + bytes) | 0
    for (const word of [TCB_SND_NXT, TCB_SND_MAX, TCB_SND_END]) this.set(word, end)
    this.report(WHAT_ACTIVE)
    return this
  }

  /** Window or rate holds data back. */
  limited(): this {
    this.set(TCB_FLAGS, this.word(TCB_FLAGS) | FLAG_CWND_LIMITED)
    this.report(WHAT_CWND_LIMITED)
    return this
  }

  /** The peer acknowledges `bytes`, `marked` of them with an echo. */
  ack(bytes: number, marked = 0): this {
    this.set(TCB_SND_UNA, (this.word(TCB_SND_UNA) + bytes) | 0)
    this.set(TCB_ACKED_BYTES, (this.word(TCB_ACKED_BYTES) + bytes) | 0)
    this.set(TCB_ECN_BYTES, (this.word(TCB_ECN_BYTES) + marked) | 0)
    this.set(TCB_HEARD_MS, Math.floor(this.open.host.nowUs / 1000))
    return this
  }

  /** Everything that is in flight. */
  ackAll(): this {
    return this.ack((this.word(TCB_SND_MAX) - this.word(TCB_SND_UNA)) | 0)
  }

  /** Types of the orders to the worker; it does what they say of its flags. */
  orders(): number[] {
    const types = this.open.host.work().filter(({ flow }) => flow === this.open.flow).map(({ type }) => type)
    if (types.includes(TO_FAST_FLOW_UPDATE)) this.set(TCB_FLAGS, this.word(TCB_FLAGS) & ~FLAG_CWND_LIMITED)
    return types
  }
}
