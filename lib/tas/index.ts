/** Package `tasjs`: the flextcp library. docs/api.md maps the C API to it. */
export { Tas, type TasOptions } from './tas.js'
export { Context } from './context.js'
export type { AttachOptions, ConnectOptions, EventHandler, ListenOptions, SourceRoute } from './contextoptions.js'
export { Connection, type ConnectionState } from './connection.js'
export type { ConnectionInfo } from './connectioninfo.js'
export { ConnectionMap } from './connectionmap.js'
export type { CloseOptions, ConnectionOptions, KeepAliveOptions, OptionName } from './connectionoptions.js'
export type { HandedConnection, HandedListener } from './handing.js'
export { Listener, type ListenerState } from './listener.js'
export {
  CONN_CLOSED, CONN_INFO, CONN_MOVED, CONN_OPEN, CONN_OPTION, CONN_RECEIVED, CONN_RXCLOSED, CONN_SENDBUF, CONN_TXCLOSED, CONN_URGENT,
  createEvents, eventName, LISTEN_ACCEPT, LISTEN_CLOSED, LISTEN_NEWCONN, LISTEN_OPEN, TasEvent,
} from './events.js'
export { codeOfStatus, STATUS_SERVICE_GONE, TasError } from './errors.js'
export { LocalLink, type LocalService } from './locallink.js'
export type { ContextLink, Network, Networks, ServiceLink, SharedTas, Watcher } from './link.js'
export { CONGESTION_CONTROLS, DEFAULT_SOCKET } from '../memif/index.js'
export { ipv4Word } from './address.js'
