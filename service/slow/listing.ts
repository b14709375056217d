/** All connections, for people: `tas stat --connections`. */
import { TCP_STATES, type ConnectionRow } from '../../lib/memif/index.js'
import { formatIpv4Address } from '../../lib/wire/index.js'
import type { Connection } from './connection.js'
import type { Stack } from './stack.js'
import { connectionInfo } from './tcpinfo.js'

/** Connections of one page: what one request costs. */
const PAGE_CONNECTIONS = 32

/** One walk through the table, a page at a time. What comes and goes meanwhile may or may not be seen; it ends in any case. */
export class ConnectionListing {
  private readonly stack: Stack
  private readonly walk: Iterator<Connection>
  private left: number

  constructor(stack: Stack) {
    this.stack = stack
    this.walk = stack.connections.each()
    this.left = stack.connections.size
  }

  /** The next connections; `more` says that there may be others behind them. */
  next(): { readonly connections: readonly ConnectionRow[]; readonly more: boolean } {
    const connections: ConnectionRow[] = []
    while (connections.length < PAGE_CONNECTIONS && this.left > 0) {
      this.left--
      const { done, value } = this.walk.next()
      if (done === true) this.left = 0
      else connections.push(rowOf(this.stack, value))
    }
    return { connections, more: this.left > 0 }
  }
}

function rowOf(stack: Stack, connection: Connection): ConnectionRow {
  const { app, localIp, localPort, remoteIp, remotePort } = connection
  const info = connectionInfo(stack, connection)
  return {
    ...info, state: TCP_STATES[info.state], local: endpoint(localIp, localPort), remote: endpoint(remoteIp, remotePort),
    app: app?.id ?? 0, pid: app?.pid ?? 0, name: app?.name ?? '',
  }
}

function endpoint(ip: number, port: number): string {
  return `${formatIpv4Address(ip)}:${port}`
}
