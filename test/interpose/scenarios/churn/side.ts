/** One end of a connection does what its plan says. */
import type { Socket } from 'node:net'
import { setImmediate as immediate, setTimeout as timer } from 'node:timers/promises'
import { isSentAt, sentAt } from './pattern.js'
import type { SidePlan } from './plan.js'
import { read } from './reading.js'

/** What an end has seen. */
export interface Outcome {
  readonly id: number
  sentBytes: number
  receivedBytes: number
  /** All that came was what the peer had sent there. */
  isRight: boolean
  sawEnd: boolean
  error: string | null
  closes: number
}

/** What is sent by the end with `isClient` of connection `id`. */
function streamOf(id: number, isClient: boolean): number {
  return 2 * id + (isClient ? 1 : 0)
}

export class Side {
  readonly outcome: Outcome
  private readonly socket: Socket
  private readonly plan: SidePlan
  private readonly isClient: boolean
  /** It ends when it has received as much; 0: when it has written all. */
  private readonly endsAfterBytes: number
  private hasWritten = false
  private hasLeft = false

  constructor(socket: Socket, id: number, plan: SidePlan, isClient: boolean, endsAfterBytes: number) {
    this.socket = socket
    this.plan = plan
    this.isClient = isClient
    this.endsAfterBytes = endsAfterBytes
    this.outcome = { id, sentBytes: 0, receivedBytes: 0, isRight: true, sawEnd: false, error: null, closes: 0 }
    socket.setMaxListeners(0)
    socket.on('end', () => { this.outcome.sawEnd = true })
    socket.on('error', (error: NodeJS.ErrnoException) => { this.outcome.error ??= error.code ?? error.message })
    socket.on('close', () => { this.outcome.closes++ })
  }

  /** Runs to the end of what it does itself; the socket may close later. */
  async run(): Promise<void> {
    compute(this.plan.computesMs)
    if (this.plan.leavesAtOnce) this.leave()
    // The socket has had its error; what a promise about it says is the same again.
    await Promise.all([this.write().catch(ignore), this.read()])
  }

  private async write(): Promise<void> {
    for (const len of this.plan.chunks) {
      if (!this.socket.writable) break
      await this.writeChunk(len)
    }
    this.hasWritten = true
    this.leaveWhenDone()
  }

  private leaveWhenDone(): void {
    if (this.hasWritten && this.outcome.receivedBytes >= this.endsAfterBytes) this.leave()
  }

  private async writeChunk(len: number): Promise<void> {
    const { socket, outcome } = this
    const chunk = sentAt(streamOf(outcome.id, this.isClient), outcome.sentBytes, len)
    outcome.sentBytes += len
    const written = new Promise<void>((resolve) => {
      const hasRoom = socket.write(chunk, () => resolve())
      if (hasRoom && this.plan.waiting === 'drain') resolve()
    })
    switch (this.plan.waiting) {
      case 'tick': return new Promise((resolve) => process.nextTick(resolve))
      case 'promise': return undefined
      case 'immediate': return immediate()
      case 'timer': return timer(len % 3)
      case 'written': return written
      case 'drain': return Promise.race([written, new Promise<void>((resolve) => socket.once('drain', resolve).once('close', resolve))])
      default: return undefined
    }
  }

  private leave(): void {
    const { socket, plan } = this
    if (this.hasLeft) return
    this.hasLeft = true
    if (plan.leaving === 'end') socket.end()
    else if (plan.leaving === 'destroySoon') socket.destroySoon()
    // TLS has nobody to reset.
    else if (plan.leaving === 'reset' && !('encrypted' in socket)) socket.resetAndDestroy()
    else socket.destroy()
    if (plan.reading === 'none') setTimeout(() => socket.destroy(), 20)
  }

  private take(bytes: Buffer): void {
    const { outcome, plan } = this
    if (!isSentAt(streamOf(outcome.id, !this.isClient), outcome.receivedBytes, bytes)) outcome.isRight = false
    outcome.receivedBytes += bytes.length
    this.leaveWhenDone()
    if (plan.leavesAfterBytes === null || outcome.receivedBytes < plan.leavesAfterBytes) return
    this.leave()
    if (plan.leaving === 'end') this.socket.destroy()
  }

  private read(): Promise<unknown> {
    const { socket, plan } = this
    const closed = new Promise((resolve) => socket.once('close', resolve))
    // It may be paused, where its first bytes were for somebody else.
    if (['data', 'pauses', 'once'].includes(plan.reading)) process.nextTick(() => socket.resume())
    read(socket, plan.reading, (bytes) => this.take(bytes))
    return closed
  }
}

function compute(forMs: number): void {
  const untilMs = performance.now() + forMs
  while (performance.now() < untilMs);
}

function ignore(): void {
  // Nothing to do.
}
