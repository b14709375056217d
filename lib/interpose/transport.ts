/** The thread's way to TAS: one session at a time, made when it is first needed, made anew when the service is back. */
import { type Networks, TasError } from '../tas/index.js'
import { clearInterval, nowMs, setInterval } from '../tas/timers.js'
import { atRoot } from './async.js'
import { Claims } from './claims.js'
import { UV_EINVAL } from './errors.js'
import { Router } from './routing.js'
import { Session } from './session.js'
import type { Settings } from './settings.js'
import type { TasSource } from './source.js'

/** After how long to try again to reach a service that was not there, milliseconds. */
const RETRY_MS = 1_000
/** How long the end of the process may wait for bytes that are on their way, and for peers that have them to close. */
const DRAIN_LIMIT_MS = 2_000
const DRAIN_GRACE_MS = 100

/** Wants to be told when there is a service again. */
export interface Waiting {
  onService(): void
}

/** A handle as tools see it that look for what keeps a process alive (hooks/active.ts). */
export interface LiveHandle {
  readonly [key: symbol]: unknown
  /** What `connect` waits for. */
  readonly openRequest?: object | null
  /** Handles of the kernel that stand for the same server. */
  readonly kernelHandles?: readonly object[]
  hasRef(): boolean
}

export class Transport {
  readonly settings: Settings
  readonly router: Router
  readonly claims = new Claims()
  /** Handles that are not closed, of connections and of servers; those that are closing are among them, as C++ has it. */
  readonly live = new Set<LiveHandle>()
  private readonly source: TasSource
  private current: Session | null = null
  private known: Networks | null = null
  /** Why there was no TAS when it was last looked for. */
  private absence: TasError | null = null
  private triedMs = -Infinity
  private holds = 0
  private isWarned = false
  private readonly waiting = new Set<Waiting>()
  private timer: NodeJS.Timeout | null = null

  constructor(settings: Settings, source: TasSource) {
    this.settings = settings
    this.source = source
    this.router = new Router(settings, { networks: () => this.networks(), isThere: () => this.isThere() })
    process.on('exit', () => this.current?.drain(DRAIN_LIMIT_MS, DRAIN_GRACE_MS))
  }

  /** The session with TAS, or null if there is none now. */
  session(): Session | null {
    if (this.current !== null && !this.current.isGone) return this.current
    const atMs = nowMs()
    if (atMs - this.triedMs < RETRY_MS || this.refusal !== 0) return null
    this.triedMs = atMs
    this.current?.dispose()
    this.current = null
    this.current = atRoot(() => this.open())
    return this.current
  }

  /** Why this process will never have a TAS, a negative errno number; 0 if it has one or may have. */
  get refusal(): number {
    const { absence } = this
    if (absence === null || this.known !== null || this.source.isAwaited) return 0
    return -absence.errno || UV_EINVAL
  }

  /** Whether other processes may have the same TAS. */
  get isForOthers(): boolean {
    return this.source.isAwaited
  }

  /** Keeps the process alive until as many `release`. */
  hold(): void {
    if (this.holds++ > 0) return
    this.current?.ref()
    this.timer?.ref()
  }

  release(): void {
    if (--this.holds > 0) return
    this.current?.unref()
    this.timer?.unref()
  }

  /** Calls `onService` once there is a service. */
  wait(waiting: Waiting): void {
    this.waiting.add(waiting)
    this.timer ??= atRoot(() => setInterval(() => this.look(), RETRY_MS))
    if (this.holds === 0) this.timer.unref()
  }

  unwait(waiting: Waiting): void {
    if (this.waiting.delete(waiting) && this.waiting.size === 0) this.stopLooking()
  }

  /** What TAS reaches, or reached when it was last there; null for a service that never was. */
  private networks(): Networks | null {
    return this.source.networks ?? (this.isThere() ? this.known : null)
  }

  private isThere(): boolean {
    if (this.known === null) this.session()
    return this.known !== null
  }

  private open(): Session | null {
    try {
      const session = new Session(this.source.open())
      this.known = session.networks()
      if (this.holds > 0) session.ref()
      return session
    } catch (error) {
      if (!(error instanceof TasError)) throw error
      this.absence = error
      this.warn(error)
      return null
    }
  }

  private warn(error: TasError): void {
    if (this.isWarned || this.known !== null) return
    this.isWarned = true
    const { code, consequence } = this.source.absence
    process.emitWarning(`tasjs/interpose: ${error.message}. ${consequence}`, { code })
  }

  private look(): void {
    if (this.session() === null) return
    const waiting = [...this.waiting]
    this.waiting.clear()
    this.stopLooking()
    for (const one of waiting) one.onService()
  }

  private stopLooking(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
  }
}
