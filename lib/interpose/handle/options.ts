/** Options of a handle: applied to the connection, remembered until there is one, carried over to another handle. */
import type { Connection, ConnectionOptions } from '../../tas/index.js'
import { UV_EINVAL } from '../errors.js'
import type { KernelHandle } from '../internals.js'

/** What libuv sets beside the idle time (uv__tcp_keepalive): a probe each second, ten of them. */
const PROBE_INTERVAL_SECONDS = 1
const PROBE_COUNT = 10
/** Limits of TAS's own: see ConnectionOptions. */
const KEEP_SECONDS_MAX = 32_767
const PROBES_MIN = 2
const PROBES_MAX = 127

function milliseconds(seconds: number): number {
  return Math.min(Math.max(1, seconds), KEEP_SECONDS_MAX) * 1000
}

export class HandleOptions {
  private connection: Connection | null = null
  private noDelay: boolean | null = null
  private keepAlive: ConnectionOptions['keepAlive'] | null = null
  private keepSeconds = 0
  private tos: number | null = null

  /** The connection that calls are for from now on; what was set before, too. */
  open(connection: Connection): void {
    this.connection = connection
    if (this.noDelay !== null) connection.setOption('noDelay', this.noDelay)
    if (this.keepAlive !== null && this.keepAlive !== undefined) connection.setOption('keepAlive', this.keepAlive)
    if (this.tos !== null) connection.setOption('tos', this.tos)
  }

  close(): void {
    this.connection = null
  }

  /** TCP_NODELAY. TAS does not wait unless told to, so only what differs from that is sent. */
  setNoDelay(isOn: boolean): number {
    const was = this.noDelay ?? true
    this.noDelay = isOn
    if (isOn !== was) this.usable()?.setOption('noDelay', isOn)
    return 0
  }

  /** SO_KEEPALIVE and its times. */
  setKeepAlive(isOn: boolean, idleSeconds: number, intervalSeconds = PROBE_INTERVAL_SECONDS, count = PROBE_COUNT): number {
    this.keepSeconds = idleSeconds
    if (!isOn) this.keepAlive = false
    else if (idleSeconds < 1) this.keepAlive = true
    else {
      const probes = Math.min(Math.max(PROBES_MIN, count), PROBES_MAX)
      this.keepAlive = { idleMs: milliseconds(idleSeconds), intervalMs: milliseconds(intervalSeconds), count: probes }
    }
    this.usable()?.setOption('keepAlive', this.keepAlive)
    return 0
  }

  /** IP_TOS. */
  setTypeOfService(tos: number): number {
    if (!Number.isInteger(tos) || tos < 0 || tos > 255) return UV_EINVAL
    this.tos = tos
    this.usable()?.setOption('tos', tos)
    return 0
  }

  getTypeOfService(): number {
    return this.tos ?? 0
  }

  /** Sets on `kernel` what was set here. */
  carryTo(kernel: KernelHandle): void {
    if (this.noDelay === true) kernel.setNoDelay(true)
    if (this.keepAlive !== null && this.keepAlive !== false) kernel.setKeepAlive(true, this.keepSeconds)
    if (this.tos !== null) kernel.setTypeOfService?.(this.tos)
  }

  private usable(): Connection | null {
    return this.connection?.state === 'open' || this.connection?.state === 'opening' ? this.connection : null
  }
}
