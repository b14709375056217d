/** Options of a socket as they were set, and what of them the connection has to know. */
import type { Connection, ConnectionOptions, OptionName } from '../tas/index.js'

const MS_PER_S = 1000

/** Options as a plain object, for another thread. */
export interface PackedOptions {
  readonly values: Readonly<Record<string, unknown>>
  readonly touched: readonly OptionName[]
}

/** Values are those of socket(7) and tcp(7), in their units; accepted sockets start with the listener's. */
export class SocketOptions {
  isReuseAddress = false
  isReusePort = false
  isKeepAlive = false
  keepIdleS = 7200
  keepIntervalS = 75
  keepCount = 9
  /** Seconds that `close` waits; -1: it does not (SO_LINGER off). */
  lingerS = -1
  /** On by default, unlike POSIX: TAS sends small segments at once. */
  isNoDelay = true
  userTimeoutMs = 0
  tos = 0
  /** Most bytes of the buffers; 0: what TAS gives. */
  receiveBufferBytes = 0
  sendBufferBytes = 0
  /** IP_OPTIONS as they were set, for `connect`. */
  ipOptions = new Uint8Array(0)
  congestionControl: NonNullable<ConnectionOptions['congestionControl']> | '' = ''
  /** How long a blocking call waits; 0: for ever. */
  receiveTimeoutUs = 0
  sendTimeoutUs = 0
  /** Options of the connection that were set. */
  private readonly touched = new Set<OptionName>()

  /** An option of the connection has been set here. */
  touch(name: OptionName): void {
    this.touched.add(name)
  }

  /** For an accepted socket. The way back of its connection is the peer's, not the listener's. */
  clone(): SocketOptions {
    const options = SocketOptions.unpack(this.pack())
    options.ipOptions = new Uint8Array(0)
    return options
  }

  pack(): PackedOptions {
    const { touched, ...values } = this
    return { values, touched: [...touched] }
  }

  static unpack({ values, touched }: PackedOptions): SocketOptions {
    const options = new SocketOptions()
    Object.assign(options, values)
    for (const name of touched) options.touch(name)
    return options
  }

  /** What lib/tas is to be told: all that was set. */
  forConnection(): ConnectionOptions {
    return Object.assign({}, ...[...this.touched].map((name) => this.one(name)))
  }

  /** The same for one option. */
  one(name: OptionName): ConnectionOptions {
    switch (name) {
      case 'noDelay': return { noDelay: this.isNoDelay }
      case 'keepAlive': return { keepAlive: this.isKeepAlive && this.keepAliveTimes() }
      case 'userTimeoutMs': return { userTimeoutMs: this.userTimeoutMs }
      case 'tos': return { tos: this.tos }
      case 'rxLimitBytes': return { rxLimitBytes: this.receiveBufferBytes }
      case 'txLimitBytes': return { txLimitBytes: this.sendBufferBytes }
      case 'congestionControl': return this.congestionControl === '' ? {} : { congestionControl: this.congestionControl }
    }
  }

  private keepAliveTimes() {
    return { idleMs: this.keepIdleS * MS_PER_S, intervalMs: this.keepIntervalS * MS_PER_S, count: this.keepCount }
  }
}

/** Sets all of `options` for `connection`. Throws TasError as `setOption` does. */
export function setOptions(connection: Connection, options: ConnectionOptions): void {
  for (const name of Object.keys(options) as OptionName[]) setOption(connection, name, options[name])
}

function setOption<K extends OptionName>(connection: Connection, name: K, value: ConnectionOptions[K]): void {
  if (value !== undefined && value !== null) connection.setOption(name, value)
}
