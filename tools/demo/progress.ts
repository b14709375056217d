/** What the user sees: one line a step, alive while it runs. */
import type { WriteStream } from 'node:tty'
import pc from 'picocolors'

const REDRAW_MS = 200
/** Without a terminal, news of a running step are lines of their own, at most this often. */
const PLAIN_EVERY_MS = 5_000

/** A line that is redrawn on a terminal; elsewhere plain lines without colours. */
export class Progress {
  private readonly out: NodeJS.WriteStream
  private readonly isTerminal: boolean
  private readonly colors: ReturnType<typeof pc.createColors>
  private readonly total: number
  private number = 0
  private title = ''
  private news = ''
  private startMs = 0
  private lastPlainMs = 0
  private timer: NodeJS.Timeout | null = null
  private stopped = false

  constructor(out: NodeJS.WriteStream, total: number) {
    this.out = out
    this.isTerminal = out.isTTY === true
    this.colors = pc.createColors(this.isTerminal)
    this.total = total
  }

  /** A new step begins. */
  begin(title: string): void {
    this.number++
    this.title = title
    this.news = ''
    this.startMs = performance.now()
    this.lastPlainMs = this.startMs
    if (!this.isTerminal) this.print(`${this.place()} ${title} ...`)
    else this.timer = setInterval(() => this.draw(), REDRAW_MS)
  }

  /** How far the step is. */
  readonly update = (news: string): void => {
    this.news = news
    if (this.isTerminal || this.stopped) return
    const now = performance.now()
    if (now - this.lastPlainMs < PLAIN_EVERY_MS) return
    this.lastPlainMs = now
    this.print(`${this.place()} ${this.title}: ${news}`)
  }

  /** The step held. */
  done(result: string): void {
    this.end(`${this.colors.green('ok  ')} ${this.title}: ${result} ${this.colors.dim(`(${this.elapsed()})`)}`)
  }

  /** The step did not hold. */
  failed(message: string): void {
    this.end(`${this.colors.red('FAIL')} ${this.title}: ${message} ${this.colors.dim(`(${this.elapsed()})`)}`)
  }

  /** Ends the line of a running step: from here on only `print` shows anything. */
  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
    this.stopped = true
  }

  /** A line between steps. */
  print(text: string): void {
    this.out.write(`${this.isTerminal ? '\r\x1b[K' : ''}${text}\n`)
  }

  private end(text: string): void {
    if (this.stopped) return
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
    this.print(`${this.place()} ${text}`)
  }

  private draw(): void {
    const text = `${this.place()} ${this.title} ... ${this.news} (${this.elapsed()})`
    // A line longer than the terminal would wrap, and \r would not return to its start.
    const columns = (this.out as WriteStream).columns ?? 80
    this.out.write(`\r\x1b[K${text.slice(0, columns - 1)}`)
  }

  private place(): string {
    return `[${String(this.number).padStart(String(this.total).length)}/${this.total}]`
  }

  private elapsed(): string {
    return `${((performance.now() - this.startMs) / 1000).toFixed(1)} s`
  }
}
