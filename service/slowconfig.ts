/** The slow path's configuration from the command line. */
import { CONGESTION_CONTROLS, type CongestionControl, type NetworksMessage } from '../lib/memif/index.js'
import { formatIpv4Address } from '../lib/wire/index.js'
import type { Options } from './options.js'
import { isModulePath, type Cidr } from './optionvalues.js'
import { appRegionShape } from './sizes.js'
import { DEFAULT_CONGESTION, DEFAULT_TCP, type CongestionConfig, type SlowConfig } from './slow/config.js'

/** What applications are told of the networks that TAS serves. */
export function networksOf(options: Options): Omit<NetworksMessage, 'op'> {
  const text = ({ address, prefix }: Cidr): string => `${formatIpv4Address(address)}/${prefix}`
  return { addresses: options.ipAddr.map(text), routes: options.ipRoute.map(text) }
}

/** What the slow path is told when there are `workers` workers. Times are microseconds on both sides. */
export function slowConfig(options: Options, workers: number): SlowConfig {
  const shape = appRegionShape(options, workers)
  return {
    addresses: options.ipAddr.map(({ address, prefix }) => ({ ip: address, prefix })),
    routes: options.ipRoute.map(({ address, prefix, nextHop }) => ({ dest: address, prefix, nextHop })),
    tcp: {
      ...DEFAULT_TCP,
      rxBufLen: options.tcpRxbufLen,
      txBufLen: options.tcpTxbufLen,
      rxBufMax: options.tcpRxbufMax,
      txBufMax: options.tcpTxbufMax,
      handshakeTimeoutUs: options.tcpHandshakeTimeout,
      handshakeRetries: options.tcpHandshakeRetries,
      rttInitUs: options.tcpRttInit,
      linkBwGbps: options.tcpLinkBw,
      ecn: options.tcpEcn,
      ttl: options.ipTtl,
      sourceRoutes: options.ipSourceRoute,
      minPathMtu: options.ipMtuMin,
      stallLimitUs: options.tcpStallLimit,
    },
    arp: { timeoutUs: options.arpTimeout, timeoutMaxUs: options.arpTimeoutMax },
    cc: congestionConfig(options),
    kni: options.kniName !== null,
    appRegionBytes: shape.regionBytes,
    kinBytes: shape.kinBytes,
    koutBytes: shape.koutBytes,
    fastEntries: shape.fastEntries,
    appPollIntervalUs: options.fpPollIntervalApp,
  }
}

function congestionConfig(options: Options): CongestionConfig {
  return {
    ...DEFAULT_CONGESTION,
    algorithm: algorithmName(options.cc),
    dctcp: {
      weight: options.ccDctcpWeight, initKbps: options.ccDctcpInit, stepKbps: options.ccDctcpStep, mimd: options.ccDctcpMimd,
      minKbps: options.ccDctcpMin, minPackets: options.ccDctcpMinpkts,
    },
    timely: {
      tlowUs: options.ccTimelyTlow, thighUs: options.ccTimelyThigh, stepKbps: options.ccTimelyStep, initKbps: options.ccTimelyInit,
      alpha: options.ccTimelyAlpha, beta: options.ccTimelyBeta, minRttUs: options.ccTimelyMinrtt, minKbps: options.ccTimelyMinrate,
    },
    constRateKbps: options.ccConstRate,
    controlIntervalRtts: options.ccControlInterval,
    controlGranularityUs: options.ccControlGranularity,
    rexmitInts: options.ccRexmitInts,
  }
}

/** The value of --cc as connections name it. */
function algorithmName(cc: string): CongestionControl {
  if (isModulePath(cc)) return 'module'
  const name = CONGESTION_CONTROLS.find((known) => known === cc)
  if (name === undefined) throw new RangeError(`no congestion control ${cc}`)
  return name
}
