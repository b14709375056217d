/** All algorithms by name, and which of them has a connection. */
import { CONGESTION_CONTROLS, RATE_KBPS_MAX, type CongestionControl } from '../../../lib/memif/index.js'
import type { SlowConfig } from '../config.js'
import type { Connection } from '../connection.js'
import { minRttUs } from '../flowstate.js'
import type { Stack } from '../stack.js'
import type { Algorithm } from './algorithm.js'
import { constRate } from './constrate.js'
import { cubic } from './cubic.js'
import { dctcpRate } from './dctcprate.js'
import { dctcpWin } from './dctcpwin.js'
import { reno } from './reno.js'
import { timely } from './timely.js'

/**
 * Longest least round-trip time of a path that counts as one inside a data centre, microseconds (RFC 8257, 4.1, which gives this figure
 * as the example; docs/decisions/0010-dctcp-in-the-data-centre.md).
 */
export const DATA_CENTRE_RTT_US = 10_000

const KBPS_PER_GBPS = 1_000_000

export class Algorithms {
  /** The user's (--cc=./mine.js). */
  readonly module: Algorithm | null
  /** The module has failed, and the log has said so. */
  hasFailed = false
  private readonly byName: Readonly<Record<CongestionControl, Algorithm | null>>
  private readonly standard: Algorithm

  /** Throws RangeError if the configuration wants a module and there is none. */
  constructor({ cc, tcp }: SlowConfig, module: Algorithm | null) {
    const linkKbps = Math.min(tcp.linkBwGbps * KBPS_PER_GBPS, RATE_KBPS_MAX)
    this.module = module
    this.byName = {
      cubic: cubic(tcp.rttInitUs), reno, 'dctcp-rate': dctcpRate(cc.dctcp, linkKbps), 'dctcp-win': dctcpWin(cc.dctcp, linkKbps),
      timely: timely(cc.timely, linkKbps), 'const-rate': constRate(cc.constRateKbps), module,
    }
    if (cc.algorithm === 'module' && module === null) throw new RangeError('congestion control: no module was given')
    this.standard = this.named(cc.algorithm)
  }

  /** How many of CONGESTION_CONTROLS a connection can choose: the module stands last. */
  get choices(): number {
    return this.module === null ? CONGESTION_CONTROLS.length - 1 : CONGESTION_CONTROLS.length
  }

  /** What takes the flow of an algorithm that cannot have it. */
  get conventional(): Algorithm {
    return this.named('cubic')
  }

  /** What takes the flow of a module that has failed: the default of `tas`. */
  get instead(): Algorithm {
    return this.named('dctcp-rate')
  }

  /** The algorithm of index `choice` in CONGESTION_CONTROLS; -1, the configured one. */
  chosen(choice: number): Algorithm {
    return choice < 0 ? this.standard : this.named(CONGESTION_CONTROLS[choice])
  }

  /** Index in CONGESTION_CONTROLS. */
  indexOf(algorithm: Algorithm): number {
    return CONGESTION_CONTROLS.findIndex((name) => this.byName[name] === algorithm)
  }

  private named(name: CongestionControl): Algorithm {
    const algorithm = this.byName[name]
    if (algorithm === null) throw new RangeError(`congestion control: there is no ${name}`)
    return algorithm
  }
}

/** Whether our SYN asks for ECN (RFC 3168, 6.1.1): --tcp-ecn, and what the connection's algorithm needs. */
export function asksForEcn(stack: Stack, connection: Connection): boolean {
  const { ecn } = stack.config.tcp
  if (ecn !== 'auto') return ecn === 'on'
  return stack.algorithms.chosen(connection.options.congestion).usesMarks === true && !isInside(stack, connection)
}

/**
 * The algorithm that `connection` is to have: the one it has chosen, or the configured one, unless that lives on marks and the flow gets
 * none, its path is longer than one of a data centre, or it does not leave the host.
 */
export function algorithmOf(stack: Stack, connection: Connection, isDisowned: boolean): Algorithm {
  const { algorithms } = stack
  const chosen = algorithms.chosen(connection.options.congestion)
  const algorithm = isDisowned && chosen === algorithms.module ? algorithms.instead : chosen
  if (algorithm.usesMarks !== true) return algorithm
  const isFit = connection.ecn && minRttUs(stack, connection) <= DATA_CENTRE_RTT_US && !isInside(stack, connection)
  return isFit ? algorithm : algorithms.conventional
}

function isInside(stack: Stack, connection: Connection): boolean {
  return stack.routes.localIndex(connection.remoteIp) >= 0
}
