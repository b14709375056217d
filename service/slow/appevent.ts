/** A message to an application, as an entry of its slow ring has it (lib/memif/appslow.ts). */
import {
  APP_SLOW_ENTRY_WORDS, AS_BUFFER, AS_CONTEXT, AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_LISTENER, AS_LOCAL_IP, AS_OPTION, AS_PORTS,
  AS_REMOTE_IP, AS_RX_BASE, AS_SIZES, AS_STATUS, AS_TX_BASE, AS_TX_BUFFER, AS_TYPE,
} from '../../lib/memif/index.js'

/** One class for all kinds, whose fields are set as needed: objects of many shapes cost 10 us and more for each connection. */
export class AppEvent {
  readonly type: number
  readonly handle: number
  readonly status: number
  listener = 0
  remoteIp = 0
  localIp = 0
  /** Remote port in the high, local port in the low 16 bits. */
  ports = 0
  flow = -1
  /** Generation in the low, worker in the high 16 bits. */
  genWorker = 0
  buffer = 0
  txBuffer = 0
  sizes = 0
  rxBase = 0
  txBase = 0
  context = 0
  /** Words from AS_OPTION, which is AS_PART, on: in place of the fields that stand there. */
  values: readonly number[] | null = null

  constructor(type: number, handle: number, status = 0) {
    this.type = type
    this.handle = handle
    this.status = status
  }

  /** Fills the entry that begins at `entry`. */
  write(words: Int32Array, entry: number): void {
    words.fill(0, entry, entry + APP_SLOW_ENTRY_WORDS)
    words[entry + AS_TYPE] = this.type
    words[entry + AS_HANDLE] = this.handle
    words[entry + AS_STATUS] = this.status
    words[entry + AS_LISTENER] = this.listener
    words[entry + AS_REMOTE_IP] = this.remoteIp
    words[entry + AS_LOCAL_IP] = this.localIp
    words[entry + AS_PORTS] = this.ports
    words[entry + AS_FLOW] = this.flow
    words[entry + AS_GEN_WORKER] = this.genWorker
    words[entry + AS_BUFFER] = this.buffer
    words[entry + AS_TX_BUFFER] = this.txBuffer
    words[entry + AS_SIZES] = this.sizes
    words[entry + AS_RX_BASE] = this.rxBase
    words[entry + AS_TX_BASE] = this.txBase
    words[entry + AS_CONTEXT] = this.context
    if (this.values !== null) words.set(this.values, entry + AS_OPTION)
  }
}
