/** The slow path's configuration from the command line. */
import type { Options } from './options.js'
import { appRegionShape } from './sizes.js'
import { DEFAULT_CONGESTION, DEFAULT_TCP, type SlowConfig } from './slow/config.js'

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
      minPathMtu: options.ipMtuMin,
      stallLimitUs: options.tcpStallLimit,
    },
    arp: { timeoutUs: options.arpTimeout, timeoutMaxUs: options.arpTimeoutMax },
    cc: {
      ...DEFAULT_CONGESTION,
      controlIntervalRtts: options.ccControlInterval,
      controlGranularityUs: options.ccControlGranularity,
      rexmitInts: options.ccRexmitInts,
    },
    kni: options.kniName !== null,
    appRegionBytes: shape.regionBytes,
    kinBytes: shape.kinBytes,
    koutBytes: shape.koutBytes,
    fastEntries: shape.fastEntries,
    appPollIntervalUs: options.fpPollIntervalApp,
  }
}
