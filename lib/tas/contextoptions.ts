/** What the calls of a context take. */
import type { ConnectionOptions } from './connectionoptions.js'
import type { TasEvent } from './events.js'

/** Options of `Context.connect`. */
export interface ConnectOptions extends ConnectionOptions {
  /** Local address, one of TAS's; chosen by TAS if left out. */
  readonly localAddress?: string | number
  /** Local port; chosen by TAS if left out or 0. */
  readonly localPort?: number
  /**
   * The way that all packets of the connection take (RFC 9293, 3.9.2.1). The service must run with `--ip-source-route`, or CONN_OPEN says EPERM.
   * IP_OPTIONS.
   */
  readonly sourceRoute?: SourceRoute
}

/** Hosts and routers that packets are to pass on their way to the peer (RFC 791, 3.1). */
export interface SourceRoute {
  /** Their addresses in order, 1 to 9. The peer itself need not be among them. */
  readonly hops: readonly (string | number)[]
  /** No others may lie between them; default false. */
  readonly strict?: boolean
}

/** Options of `Context.listen`; those of connections are for all that are accepted. */
export interface ListenOptions extends ConnectionOptions {
  /** Local address; every address of TAS if left out. */
  readonly address?: string | number
  /** Most connections that wait to be accepted, and as many again in the handshake (beyond: SYN cookies); default 128. */
  readonly backlog?: number
  /** Lets other listeners with this flag share the port (FLEXTCP_LISTEN_REUSEPORT). */
  readonly reusePort?: boolean
  /**
   * For several threads (`Context.joinListener`): LISTEN_NEWCONN does not come, whoever wants a connection calls `accept` ahead. Whichever has
   * waited longest gets the next one.
   */
  readonly silent?: boolean
}

/** Options of `Context.attach`. */
export interface AttachOptions {
  /** Whether the attachment keeps the process alive; default true. */
  readonly ref?: boolean
}

/** Takes one event; the event object is used again afterwards. */
export type EventHandler = (event: TasEvent) => void
