/** The native flooder (bench/native/flood.c) as a function. Only for links of a lab. */
import type { Namespace } from './namespaces.js'
import { nativeProgram } from './paths.js'
import type { Process } from './processes.js'

/** Frames from made-up addresses, or connections that never read (`slow`). */
export type FloodKind = 'syn' | 'ack' | 'rst' | 'ping' | 'garbage' | 'slow'

/** Options of the flooder; see `flood --help`. */
export interface FloodOptions {
  readonly kind: FloodKind
  readonly address: string
  readonly port?: number
  /** Where frames go out, if not by the namespace's end of the link. */
  readonly interface?: string
  /** The target's MAC address. */
  readonly mac?: string
  readonly source?: string
  /** Frames a second; as many as go if left out. */
  readonly rate?: number
  readonly connections?: number
  readonly seconds?: number
  readonly seed?: number
  readonly cpu?: number
}

/** A flood under way. */
export class Flood {
  readonly process: Process

  constructor(process: Process) {
    this.process = process
  }

  /** Resolves when it has begun. */
  async begun(): Promise<void> {
    await this.process.line(/"event":"start"/)
  }

  /** Resolves at the end with the number of frames, or of connections for `slow`. */
  async sent(timeoutMs = 120_000): Promise<number> {
    const result = JSON.parse(await this.process.line(/"event":"result"/, timeoutMs)) as { readonly frames: number }
    return result.frames
  }
}

/** Starts a flood from a namespace. */
export function startFlood(namespace: Namespace, options: FloodOptions): Flood {
  const all = { interface: namespace.interface, ...options }
  const args = Object.entries(all).map(([name, value]) => `--${name}=${String(value)}`)
  return new Flood(namespace.start(`flood ${options.kind}`, { command: nativeProgram('flood'), args }))
}
