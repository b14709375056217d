/** What the slow path is told at start. The service builds it from the command line. */
import { BUFFER_UNIT_BYTES, DEFAULT_TTL, LOCAL_ADDRESSES_MAX, type CongestionControl } from '../../lib/memif/index.js'

/** An address of our own and the length of its on-link prefix. Addresses are signed words (10.0.0.1 is 0x0a000001). */
export interface LocalAddress {
  readonly ip: number
  readonly prefix: number
}

/** Packets to `dest`/`prefix` go to the neighbour `nextHop`. */
export interface Route {
  readonly dest: number
  readonly prefix: number
  readonly nextHop: number
}

/**
 * Explicit congestion notification (RFC 3168): never, where the peer asks for it, or asked for in our SYNs as well; auto: asked for by
 * connections whose congestion control needs it, otherwise passive.
 */
export type EcnMode = 'off' | 'passive' | 'on' | 'auto'

export interface TcpConfig {
  /** Receive buffer with which a connection begins, in bytes: a power of two, 64 to 2^30. */
  readonly rxBufLen: number
  /** Transmit buffer with which it begins, likewise. */
  readonly txBufLen: number
  /** To how many bytes they may grow: powers of two to 2^30; less than the first length: not at all. */
  readonly rxBufMax: number
  readonly txBufMax: number
  /** First timeout of SYN and SYN-ACK in microseconds; doubles with every retry. */
  readonly handshakeTimeoutUs: number
  /** Retransmissions of SYN or SYN-ACK before the attempt fails. */
  readonly handshakeRetries: number
  /** Round-trip time assumed by congestion control before the first measurement, microseconds. */
  readonly rttInitUs: number
  /** Link bandwidth in Gbit/s: a flow whose rate has come there is not paced. */
  readonly linkBwGbps: number
  /** Length of TIME-WAIT (2 MSL) in microseconds. */
  readonly timeWaitUs: number
  /** Connections in TIME-WAIT at once; with more the oldest ends early. */
  readonly timeWaitMax: number
  /** Least MTU of a path, bytes: ICMP errors and lost packets bring segments no further down (68 at least, RFC 791). */
  readonly minPathMtu: number
  /** How long FIN-WAIT-2 lasts once the application has closed, microseconds. */
  readonly finWait2Us: number
  readonly ecn: EcnMode
  /** Time to live of what we send, 1 to 255 (RFC 9293, 3.9.2: MUST-49). */
  readonly ttl: number
  /** Whether datagrams may come, and programs may have them sent, by source routes. */
  readonly sourceRoutes: boolean
  /**
   * How long a peer may keep data back by its window with hardly any progress, microseconds, when memory runs short or the
   * application has closed; 0: for ever.
   */
  readonly stallLimitUs: number
}

export interface ArpConfig {
  /** First request's timeout in microseconds; doubles with every retry. */
  readonly timeoutUs: number
  /** A request fails once its next timeout would be longer than this. */
  readonly timeoutMaxUs: number
}

/** DCTCP (--cc-dctcp-*). */
export interface DctcpConfig {
  /** g: weight of a new share of marks in alpha. */
  readonly weight: number
  /** First rate of a flow; null: an initial window in each round trip. */
  readonly initKbps: number | null
  /** Additive increase in each control interval; that of rates above 10 Mbit/s grows with their root. */
  readonly stepKbps: number
  /** In its place, multiplicative increase by this factor; null: none. */
  readonly mimd: number | null
  readonly minKbps: number
  /** Alpha is computed from this many acknowledged segments at least. */
  readonly minPackets: number
}

/** TIMELY (--cc-timely-*); the paper's names. */
export interface TimelyConfig {
  readonly tlowUs: number
  readonly thighUs: number
  /** Delta: additive increase in each control interval. */
  readonly stepKbps: number
  readonly initKbps: number
  /** Weight of a new difference of round-trip times. */
  readonly alpha: number
  /** Multiplicative decrease. */
  readonly beta: number
  readonly minRttUs: number
  readonly minKbps: number
}

export interface CongestionConfig {
  /** For connections that choose none (--cc); 'module' is the one handed to the slow path beside its configuration. */
  readonly algorithm: CongestionControl
  readonly dctcp: DctcpConfig
  readonly timely: TimelyConfig
  /** Of const-rate; 0: no limit. */
  readonly constRateKbps: number
  /** Control interval as a multiple of the round-trip time (--cc-control-interval). */
  readonly controlIntervalRtts: number
  /** Shortest control interval in microseconds (--cc-control-granularity). */
  readonly controlGranularityUs: number
  /**
   * Control intervals without progress before a retransmission (--cc-rexmit-ints); never less than the RTO of RFC
   * 6298.
   */
  readonly rexmitInts: number
  /**
   * Shortest retransmission timeout in microseconds. 200 ms (as Linux) is longer than the delayed
   * acknowledgments of common stacks, so that a lone segment is not sent twice.
   */
  readonly minRtoUs: number
  /** Longest retransmission timeout and longest time between zero-window probes, microseconds. */
  readonly maxRtoUs: number
  /** Retransmissions of the same data before the connection fails with ETIMEDOUT (RFC 9293, 3.8.3: R2). */
  readonly maxRetransmits: number
}

export interface SlowConfig {
  /** At least one, at most LOCAL_ADDRESSES_MAX. */
  readonly addresses: readonly LocalAddress[]
  readonly routes: readonly Route[]
  readonly tcp: TcpConfig
  readonly arp: ArpConfig
  readonly cc: CongestionConfig
  /** The host kernel shares the interface and the address (--kni-name). */
  readonly kni: boolean
  /** Largest region an application may have, in bytes. */
  readonly appRegionBytes: number
  /** Bytes of each ring from the slow path to an application context, and back. */
  readonly kinBytes: number
  readonly koutBytes: number
  /** Entries of each ring between an application context and a worker. */
  readonly fastEntries: number
  /** How long an application context polls before it blocks, in microseconds (--fp-poll-interval-app). */
  readonly appPollIntervalUs: number
}

/** Throws RangeError if the configuration has no or too many addresses, or buffer sizes that cannot be. */
export function checkConfig({ addresses, tcp }: SlowConfig): void {
  if (addresses.length < 1 || addresses.length > LOCAL_ADDRESSES_MAX) {
    throw new RangeError(`${addresses.length} local addresses: 1 to ${LOCAL_ADDRESSES_MAX} are needed`)
  }
  for (const len of [tcp.rxBufLen, tcp.txBufLen, tcp.rxBufMax, tcp.txBufMax]) {
    const isGood = Number.isInteger(Math.log2(len)) && len >= BUFFER_UNIT_BYTES && len <= 2 ** 30
    if (isGood) continue
    throw new RangeError(`connection buffer of ${len} bytes: a power of two from ${BUFFER_UNIT_BYTES} to 2^30 is needed`)
  }
}

/** The parts of a configuration that have sensible values whatever the machine. */
export const DEFAULT_TCP: TcpConfig = {
  rxBufLen: 1 << 17,
  txBufLen: 1 << 17,
  rxBufMax: 1 << 24,
  txBufMax: 1 << 24,
  handshakeTimeoutUs: 10_000,
  // 202 s: a SYN is repeated for at least three minutes (RFC 9293, 3.8.3: MUST-23).
  handshakeRetries: 14,
  rttInitUs: 50,
  linkBwGbps: 10,
  timeWaitUs: 60_000_000,
  timeWaitMax: 131_072,
  finWait2Us: 60_000_000,
  minPathMtu: 552,
  ecn: 'passive',
  ttl: DEFAULT_TTL,
  sourceRoutes: false,
  stallLimitUs: 60_000_000,
}

export const DEFAULT_ARP: ArpConfig = { timeoutUs: 500, timeoutMaxUs: 10_000_000 }

export const DEFAULT_DCTCP: DctcpConfig = {
  weight: 0.0625, initKbps: null, stepKbps: 500, mimd: null, minKbps: 1_000, minPackets: 1,
}

export const DEFAULT_TIMELY: TimelyConfig = {
  tlowUs: 30, thighUs: 150, stepKbps: 10_000, initKbps: 10_000, alpha: 0.02, beta: 0.8, minRttUs: 11, minKbps: 10_000,
}

export const DEFAULT_CONGESTION: CongestionConfig = {
  algorithm: 'dctcp-rate',
  dctcp: DEFAULT_DCTCP,
  timely: DEFAULT_TIMELY,
  constRateKbps: 0,
  controlIntervalRtts: 2,
  controlGranularityUs: 50,
  rexmitInts: 4,
  minRtoUs: 200_000,
  maxRtoUs: 60_000_000,
  maxRetransmits: 15,
}
