/** What one seed does: plain data, so that it can be printed and changed by hand. */
import type { ConnectOptions } from '../../../lib/tas/index.js'
import type { CongestionControl } from '../../../lib/memif/index.js'
import type { TcpConfig } from '../../../service/slow/config.js'
import type { DirectionOptions } from '../../../tools/linkem/index.js'

/** TCP options that a box on the way takes out of SYNs, so that a connection works without them. */
export interface StripPlan {
  readonly sack: boolean
  readonly timestamps: boolean
  readonly windowScale: boolean
  readonly mss: boolean
}

/** Congestion control of a host's connections, and whether what needs ECN asks for it. */
export interface CongestionPlan {
  readonly algorithm: CongestionControl
  readonly asksEcn: boolean
}

/** A host and the direction of the link that begins at it. */
export interface HostPlan {
  readonly mtu: number
  readonly tcp: Partial<TcpConfig>
  readonly flows: number
  readonly regionBytes: number
  /** Entries of the rings between applications and worker, and bytes of those between applications and slow path. */
  readonly fastEntries: number
  readonly controlBytes: number
  /** Entries of the rings between slow path and worker, and bytes of their packet areas. */
  readonly slowEntries: number
  readonly packetAreaBytes: number
  readonly clockUs: number
  readonly apps: number
  readonly link: Partial<DirectionOptions>
  readonly strip: StripPlan
  readonly congestion: CongestionPlan
}

/** How one end goes about its connection. */
export interface EndPlan {
  /** Bytes that it sends; without end if `abortAt` comes first. */
  readonly sendBytes: number
  /** Bytes it writes at once, and microseconds between two writes. */
  readonly writeBytes: number
  readonly thinkUs: number
  /** Request and response: this end's bytes of each round, 0 for a stream. */
  readonly roundBytes: number
  /** Bytes it reads at once, and microseconds between two reads. */
  readonly readBytes: number
  readonly readUs: number
  /** It reads nothing for `pauseUs` once it has read so much; -1: never. */
  readonly pauseAt: number
  readonly pauseUs: number
  /**
   * How it ends: FIN after its bytes, then close after the peer's FIN; or close of both directions once it has sent and received
   * everything; or abort once so many bytes are received or sent.
   */
  readonly end: 'halfClose' | 'close' | 'abort'
  readonly abortAt: number
  readonly isLinger0: boolean
  readonly options: ConnectOptions
}

/** One connection, or several alike. */
export interface ConversationPlan {
  /** 'refused': nobody listens. 'simultaneous': both ends open. 'self': one end is both. */
  readonly kind: 'normal' | 'refused' | 'simultaneous' | 'self'
  readonly client: number
  readonly clientApp: number
  readonly server: number
  readonly serverApp: number
  readonly port: number
  /** The client's port; 0: chosen by TAS. */
  readonly localPort: number
  readonly count: number
  readonly startUs: number
  /** Between two of several. */
  readonly gapUs: number
  readonly backlog: number
  readonly clientEnd: EndPlan
  readonly serverEnd: EndPlan
}

/** What happens in between. */
export type EventPlan =
  /** The worker is killed between two passes after so many steps of the host. */
  | { readonly kind: 'killWorker'; readonly host: number; readonly steps: number }
  /** It is killed at a call of its port. */
  | { readonly kind: 'killWorkerInPass'; readonly host: number; readonly steps: number; readonly calls: number; readonly isAfter: boolean }
  | { readonly kind: 'killApp'; readonly host: number; readonly app: number; readonly steps: number }
  /** An application does nothing for a while. */
  | { readonly kind: 'hangApp'; readonly host: number; readonly app: number; readonly steps: number; readonly forUs: number }
  /** The whole host does nothing for a while. */
  | { readonly kind: 'freeze'; readonly host: number; readonly atUs: number; readonly forUs: number }
  | { readonly kind: 'linkDown'; readonly host: number; readonly atUs: number; readonly forUs: number }
  /** The host has another MAC address from now on, and says so or does not. */
  | { readonly kind: 'newMac'; readonly host: number; readonly atUs: number; readonly isTold: boolean }
  /** The MTU of the link changes. */
  | { readonly kind: 'mtu'; readonly host: number; readonly atUs: number; readonly mtu: number }
  | { readonly kind: 'clockJump'; readonly host: number; readonly atUs: number; readonly byUs: number }

export interface Scenario {
  readonly seed: number
  /** Virtual time at which it begins. */
  readonly startUs: number
  readonly hosts: readonly HostPlan[]
  readonly conversations: readonly ConversationPlan[]
  readonly events: readonly EventPlan[]
}

/** Address of host number `host`. */
export function hostIp(host: number): number {
  return 0x0a000001 + host
}
