/** A message to an application, as an entry of its slow ring has it (lib/memif/appslow.ts). */
import {
  APP_SLOW_ENTRY_WORDS, AS_BUFFER, AS_CONTEXT, AS_FLOW, AS_GEN_WORKER, AS_HANDLE, AS_LISTENER, AS_LOCAL_IP, AS_OPTION, AS_PORTS,
  AS_REMOTE_IP, AS_RX_BASE, AS_SIZES, AS_STATUS, AS_TX_BASE, AS_TX_BUFFER, AS_TYPE,
} from '../../lib/memif/index.js'

/** One class for all kinds, whose fields are set as needed: objects of many shapes cost 10 us and more for each connection. */
export class AppEvent {
  type = 0
  handle = 0
  status = 0
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

  /** Makes it another event, with nothing but this. */
  begin(type: number, handle: number, status: number): void {
    this.type = type
    this.handle = handle
    this.status = status
    this.listener = 0
    this.remoteIp = 0
    this.localIp = 0
    this.ports = 0
    this.flow = -1
    this.genWorker = 0
    this.buffer = 0
    this.txBuffer = 0
    this.sizes = 0
    this.rxBase = 0
    this.txBase = 0
    this.context = 0
    this.values = null
  }

  /** One that can wait. */
  kept(): AppEvent {
    return Object.assign(new AppEvent(), this)
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

/** Most find room in the ring at once, and are gone then. */
const composed = new AppEvent()

/** An event that is to be sent before the next one is composed: it is the same object each time. */
export function composeEvent(type: number, handle: number, status = 0): AppEvent {
  composed.begin(type, handle, status)
  return composed
}
