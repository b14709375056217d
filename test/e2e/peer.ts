/** The Linux kernel's side of a test. */
import { compiled, type Namespace, type Process } from '../../tools/netlab/index.js'
import { within } from '../../tools/netlab/wait.js'
import type { PeerAnswer, PeerCalls, PeerOp } from './peerprotocol.js'

const CALL_MS = 30_000

/** An error of the kernel: `code` is 'ECONNREFUSED' and the like, or 'EOF' where bytes were expected. */
export class PeerError extends Error {
  readonly code: string

  constructor(op: string, code: string, message: string) {
    super(`peer's ${op}: ${message}`)
    this.code = code
  }
}

/** Plays the peer: every call is carried out by a process in the peer's namespace. */
export class Peer {
  private readonly process: Process
  private readonly calls = new Map<number, (answer: PeerAnswer) => void>()
  private lastId = 0

  private constructor(process: Process) {
    this.process = process
    process.child.on('message', message => this.answered(message as PeerAnswer))
  }

  /** Starts the process. */
  static start(namespace: Namespace): Peer {
    return new Peer(namespace.start('peer agent', {
      command: process.execPath, args: [compiled('test/e2e/peeragent.js')], ipc: true,
    }))
  }

  /** Carries out a call. Throws PeerError with the kernel's error code, Error after 30 seconds. */
  async call<Op extends PeerOp>(op: Op, ...args: Parameters<PeerCalls[Op]>): Promise<ReturnType<PeerCalls[Op]>> {
    const id = ++this.lastId
    const answered = new Promise<PeerAnswer>(resolve => this.calls.set(id, resolve))
    this.process.child.send({ id, op, args })
    const answer = await within(`peer's ${op}`, answered, CALL_MS)
    if (answer.code !== undefined) throw new PeerError(op, answer.code, answer.message ?? answer.code)
    return answer.value as ReturnType<PeerCalls[Op]>
  }

  private answered(answer: PeerAnswer): void {
    this.calls.get(answer.id)?.(answer)
    this.calls.delete(answer.id)
  }
}
