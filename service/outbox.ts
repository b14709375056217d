/** Control messages on their way to one worker: kept in order and sent again while its socket is full. */
import type { MessageSystem } from './system.js'

interface Waiting {
  readonly bytes: Uint8Array
  readonly fds: readonly number[]
}

/** How long to wait when the socket is full, in milliseconds. A worker reads it within a pass. */
const RETRY_MS = 5

/** The messages of one worker process. */
export class Outbox {
  private readonly system: Pick<MessageSystem, 'sendMessage'>
  private readonly fd: number
  private readonly drained: () => void
  private waiting: Waiting[] = []
  private timer: NodeJS.Timeout | null = null

  /** Sends over `fd`; calls `drained` when messages had to wait and none does any more. */
  constructor(system: Pick<MessageSystem, 'sendMessage'>, fd: number, drained: () => void) {
    this.system = system
    this.fd = fd
    this.drained = drained
  }

  /** Whether messages wait, whose descriptors must stay open. */
  get busy(): boolean {
    return this.waiting.length > 0
  }

  /** Sends a message now or as soon as there is room. Descriptors must stay open while `busy`. */
  send(bytes: Uint8Array, fds: readonly number[]): void {
    if (this.busy || !this.trySend(bytes, fds)) {
      this.waiting.push({ bytes, fds })
      this.timer ??= setTimeout(() => this.flush(), RETRY_MS)
    }
  }

  /** Drops what waits: the worker is gone. */
  close(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    this.waiting = []
  }

  /** A worker that is gone takes everything: its successor is told anew. */
  private trySend(bytes: Uint8Array, fds: readonly number[]): boolean {
    try {
      return this.system.sendMessage(this.fd, bytes, fds)
    } catch {
      return true
    }
  }

  private flush(): void {
    this.timer = null
    let sent = 0
    while (sent < this.waiting.length && this.trySend(this.waiting[sent].bytes, this.waiting[sent].fds)) sent++
    this.waiting = this.waiting.slice(sent)
    if (this.busy) this.timer = setTimeout(() => this.flush(), RETRY_MS)
    else this.drained()
  }
}
