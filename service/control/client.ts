/** A process at the other end of the control socket. What it sends is not trusted. */
import { encodeControl, encodePage, type FlowAnswer, type NetworksMessage, type ScaleMessage, type StatePage, type TasToApp } from '../../lib/memif/index.js'
import type { Closable, Credentials, MessageSystem } from '../system.js'
import { ClientError } from './clienterror.js'

/** Messages it may send in a second; more is no honest one's, since it waits for its answers. */
const MESSAGES_PER_SECOND = 256
const SECOND_US = 1_000_000

/** A message as it came: an object of unknown fields. */
export type Message = Readonly<Record<string, unknown>>

/** What a client needs of its server. */
export interface ClientHost {
  readonly system: Pick<MessageSystem, 'sendMessage'>
  /** Tells it what was wrong and closes it. */
  refuse(client: Client, error: unknown): void
}

export class Client {
  readonly fd: number
  readonly peer: Credentials
  watcher: Closable | null = null
  /** Its id as an application; 0: it is none. */
  app = 0
  private readonly host: ClientHost
  /** Since when messages are counted. */
  private windowUs: number
  private messages = 0

  constructor(host: ClientHost, fd: number, peer: Credentials, nowUs: number) {
    this.host = host
    this.fd = fd
    this.peer = peer
    this.windowUs = nowUs
  }

  /** It has sent one more. Throws ClientError when that is too many. */
  countMessage(nowUs: number): void {
    if (nowUs - this.windowUs > SECOND_US) {
      this.windowUs = nowUs
      this.messages = 0
    }
    if (++this.messages > MESSAGES_PER_SECOND) throw new ClientError('EAGAIN', `more than ${MESSAGES_PER_SECOND} messages in a second`)
  }

  /** Throws ClientError if it does not read what it is sent. */
  send(message: TasToApp, fds: readonly number[]): void {
    this.sendBytes(encodeControl(message), fds)
  }

  /** Sends an answer that may be long. Throws ClientError as `send`. */
  sendPage(page: StatePage | FlowAnswer | NetworksMessage | ScaleMessage): void {
    this.sendBytes(encodePage(page), [])
  }

  /** Tells it what was wrong and closes it. */
  refuse(error: unknown): void {
    this.host.refuse(this, error)
  }

  private sendBytes(bytes: Uint8Array, fds: readonly number[]): void {
    if (!this.host.system.sendMessage(this.fd, bytes, fds)) throw new ClientError('EAGAIN', 'does not read its control socket')
  }
}
