/** A tool's connection to the service's control socket (lib/memif/control.ts). */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CONTROL_PAGE_MAX, decodeControl, encodeControl, type AppToTas, type FlowDetail, type FlowQuery, type StatePart, type StateRows,
} from '../../lib/memif/index.js'
import { closeFd, connectUnix, receiveMessage, sendMessage, waitReadable } from '../../native/index.js'

const ANSWER_TIMEOUT_US = 5_000_000
/** The service takes 256 messages in a second from one process (service/control/client.ts). */
const MESSAGES_BEFORE_PAUSE = 200
const PAUSE_MS = 1_100

/** Why it does not work, for people. */
function explain(socket: string, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new Error(`--socket: "${socket}": no tas runs there; start one or name its socket`)
  }
  if (code === 'EACCES') return new Error(`--socket: "${socket}": permission denied; only the user of tas and root may see its state`)
  if (code === 'EPIPE' || code === 'ECONNRESET') return new Error(`--socket: "${socket}": tas has ended`)
  return error instanceof Error ? error : new Error(String(error))
}

/** An answer: its fields, which are the service's word, and the descriptors that came with it. */
export interface Answer {
  readonly message: Readonly<Record<string, unknown>>
  readonly fds: readonly number[]
}

/** One connection. Every method throws Error with one line for people. */
export class ServiceClient {
  private readonly socket: string
  private readonly control: number
  private readonly buffer = new Uint8Array(CONTROL_PAGE_MAX)
  private messages = 0

  /** Connects to the service at `socket`. */
  constructor(socket: string) {
    this.socket = socket
    try {
      this.control = connectUnix(socket)
    } catch (error) {
      throw explain(socket, error)
    }
  }

  /** The connection's descriptor: readable when the service hangs up. */
  get fd(): number {
    return this.control
  }

  close(): void {
    closeFd(this.control)
  }

  /** All rows of a part of the state, a page at a time so that the service is not held up. */
  async list<Part extends StatePart>(part: Part): Promise<StateRows[Part][]> {
    const rows: StateRows[Part][] = []
    for (let first = true, more = true; more; first = false) {
      const { message } = await this.ask({ op: 'state', part, first })
      if (!Array.isArray(message['rows'])) throw new Error('the service does not know the question; use its own tas')
      rows.push(...message['rows'] as StateRows[Part][])
      more = message['more'] === true
    }
    return rows
  }

  /** Everything about one flow, null if there is none. */
  async flow(query: FlowQuery): Promise<FlowDetail | null> {
    const { message } = await this.ask({ op: 'flow', ...query })
    return message['detail'] as FlowDetail | null
  }

  /** One question and its answer. The caller closes the descriptors. */
  async ask(question: AppToTas): Promise<Answer> {
    if (++this.messages % MESSAGES_BEFORE_PAUSE === 0) await sleep(PAUSE_MS)
    try {
      return this.exchange(question)
    } catch (error) {
      throw explain(this.socket, error)
    }
  }

  private exchange(question: AppToTas): Answer {
    const isSent = sendMessage(this.control, encodeControl(question))
    if (!isSent || waitReadable(Int32Array.of(this.control), 1, ANSWER_TIMEOUT_US) === 0) {
      throw new Error('the service does not answer')
    }
    const received = receiveMessage(this.control, this.buffer)
    if (received === null || received.lenBytes === 0) throw new Error(`--socket: "${this.socket}": tas has ended`)
    const message = decodeControl(this.buffer.subarray(0, received.lenBytes))
    if (message?.['op'] === question.op) return { message, fds: received.fds }
    for (const fd of received.fds) closeFd(fd)
    throw refusal(message)
  }
}

function refusal(message: Readonly<Record<string, unknown>> | null): Error {
  if (message?.['op'] !== 'error') return new Error('the service does not know the question; use its own tas')
  return new Error(`the service refused: ${String(message['message'])}`)
}

/** Runs `body` with a connection that is closed afterwards. Throws Error. */
export async function withService<T>(socket: string, body: (client: ServiceClient) => Promise<T>): Promise<T> {
  const client = new ServiceClient(socket)
  try {
    return await body(client)
  } finally {
    client.close()
  }
}
