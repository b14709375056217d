/** Connections brought into a state, so that a test begins where it is interesting. */
import {
  EV_CONN_OPEN, EV_LISTEN_ACCEPT, FLAG_FIN_ACKED, FLAG_FIN_QUEUED, FLAG_FIN_RECEIVED, REQ_CONN_OPEN, REQ_LISTEN_ACCEPT,
  REQ_LISTEN_OPEN, TCB_FLAGS, TCB_RCV_NXT, TCB_SND_END, TCB_SND_MAX, TCB_SND_NXT, TCB_SND_UNA,
} from '../../lib/memif/index.js'
import * as wire from '../../lib/wire/index.js'
import { type FakeContext, Host, type HostOptions, LISTEN_PORT, PEER_IP, PEER_PORT } from './harness.js'

export const { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN, TCP_URG } = wire
export const LISTENER = 7
export const CONNECTION = 9
/** The peer's initial sequence number. */
export const PEER_ISS = 1000
export const PEER_OPTIONS = { mss: 1460, windowScale: 7, sackPermitted: true, timestamps: { value: 500, echo: 0 } }

export interface Scene {
  readonly host: Host
  readonly app: ReturnType<Host['addApp']>
  readonly context: FakeContext
}

export interface Open extends Scene {
  readonly flow: number
  readonly gen: number
  /** Our initial sequence number. */
  readonly iss: number
  readonly localPort: number
  readonly remotePort: number
}

export function scene(options: HostOptions = {}, buffers = 8): Scene {
  const host = new Host(options)
  const app = host.addApp(buffers)
  host.worker.read()
  return { host, app, context: app.context }
}

export function listening(options: HostOptions = {}, backlog = 4, buffers = 8): Scene {
  const begun = scene(options, buffers)
  begun.context.request(REQ_LISTEN_OPEN, LISTENER, { ports: LISTEN_PORT, backlog })
  begun.context.read()
  return begun
}

/** A complete passive handshake from `remotePort`; returns our ISS. */
export function shakeHands(host: Host, remotePort = PEER_PORT, options: Partial<wire.TcpOptions> = {}): number {
  host.send({ seq: PEER_ISS, flags: TCP_SYN, remotePort, options })
  const [synAck] = host.sent()
  host.send({ seq: PEER_ISS + 1, ack: synAck.seq + 1, flags: TCP_ACK, remotePort })
  return synAck.seq
}

/** An accepted connection in ESTABLISHED. */
export function accepted(options: HostOptions = {}, offer: Partial<wire.TcpOptions> = {}, buffers = 8): Open {
  const begun = listening(options, 4, buffers)
  const iss = shakeHands(begun.host, PEER_PORT, offer)
  begun.context.request(REQ_LISTEN_ACCEPT, CONNECTION, { listener: LISTENER })
  const event = begun.context.read().find(({ type }) => type === EV_LISTEN_ACCEPT)
  if (!event) throw new Error('no connection was accepted')
  begun.host.work()
  begun.host.sent()
  return { ...begun, flow: event.flow, gen: event.gen, iss, localPort: LISTEN_PORT, remotePort: PEER_PORT }
}

export const REMOTE_PORT = 8080

/** REQ_CONN_OPEN has been made; returns the SYN. */
export function connecting(options: HostOptions = {}): Scene & { syn: ReturnType<Host['sent']>[number] } {
  const begun = scene(options)
  begun.context.request(REQ_CONN_OPEN, CONNECTION, { remoteIp: PEER_IP, ports: REMOTE_PORT << 16 })
  const [syn] = begun.host.sent()
  return { ...begun, syn }
}

/** A connection that we opened, in ESTABLISHED. */
export function opened(options: HostOptions = {}): Open {
  const begun = connecting(options)
  const { host, syn } = begun
  const localPort = syn.sourcePort
  host.send({ seq: PEER_ISS, ack: syn.seq + 1, flags: TCP_SYN | TCP_ACK, remotePort: REMOTE_PORT, localPort,
    options: PEER_OPTIONS })
  const event = begun.context.read().find(({ type }) => type === EV_CONN_OPEN)
  if (!event) throw new Error('the connection was not opened')
  host.work()
  host.sent()
  return { ...begun, flow: event.flow, gen: event.gen, iss: syn.seq, localPort, remotePort: REMOTE_PORT }
}

/** What a worker's TCB looks like once both FINs are through. */
export function finishTcb({ host, flow }: Open): void {
  const end = host.tcb(flow, TCB_SND_END)
  for (const word of [TCB_SND_UNA, TCB_SND_NXT, TCB_SND_MAX]) host.setTcb(flow, word, (end + 1) | 0)
  host.setTcb(flow, TCB_RCV_NXT, (host.tcb(flow, TCB_RCV_NXT) + 1) | 0)
  host.setTcb(flow, TCB_FLAGS, host.tcb(flow, TCB_FLAGS) | FLAG_FIN_QUEUED | FLAG_FIN_ACKED | FLAG_FIN_RECEIVED)
}
