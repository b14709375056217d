/** Questions to a running service over its control socket (lib/memif/control.ts). */
import { type AppToTas, CONTROL_PAGE_MAX, decodeControl, encodeControl } from '../../lib/memif/index.js'
import { closeFd, connectUnix, receiveMessage, sendMessage, waitReadable } from '../../native/index.js'

const ANSWER_TIMEOUT_US = 5_000_000

export type Answer = Readonly<Record<string, unknown>>

function explain(socket: string, error: unknown, deed: string): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new Error(`--socket: "${socket}": no tas runs there; start one or name its socket`)
  }
  if (code === 'EACCES') return new Error(`--socket: "${socket}": permission denied; only the user of tas and root may ${deed}`)
  return error instanceof Error ? error : new Error(String(error))
}

/** A conversation with a service. */
export class Control {
  private readonly fd: number
  private readonly buffer = new Uint8Array(CONTROL_PAGE_MAX)

  private constructor(fd: number) {
    this.fd = fd
  }

  /** Talks to the service at `socket`; `deed` is what is wanted, for people who may not. Throws Error that says what to do. */
  static async with<T>(socket: string, deed: string, talk: (control: Control) => T | Promise<T>): Promise<T> {
    let fd = -1
    try {
      fd = connectUnix(socket)
      return await talk(new Control(fd))
    } catch (error) {
      throw explain(socket, error, deed)
    } finally {
      if (fd >= 0) closeFd(fd)
    }
  }

  /** One question and its answer, which has the same `op`. Throws Error if the service refuses, hangs up or says something else. */
  ask(request: AppToTas): Answer {
    const isSent = sendMessage(this.fd, encodeControl(request))
    if (!isSent || waitReadable(Int32Array.of(this.fd), 1, ANSWER_TIMEOUT_US) === 0) throw new Error('the service does not answer')
    const received = receiveMessage(this.fd, this.buffer)
    for (const fd of received?.fds ?? []) closeFd(fd)
    if (received === null || received.lenBytes === 0) throw new Error('the service hung up')
    const message = decodeControl(this.buffer.subarray(0, received.lenBytes))
    if (message?.['op'] === 'error') throw new Error(`the service refused: ${String(message['message'])}`)
    if (message?.['op'] !== request.op) throw new Error("the service does not know the question; use the service's own tas command")
    return message
  }
}
