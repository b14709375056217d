/** What was made is taken away again, in reverse order, also on failure and on signals. */

type Undo = () => void | Promise<void>

/** Those that have something to undo. */
const loaded = new Set<Cleanup>()

/** Undoes everything that any Cleanup of this process has been given. Returns what failed. */
export async function cleanUpAll(): Promise<string[]> {
  const failures = await Promise.all([...loaded].map((cleanup) => cleanup.run()))
  return failures.flat()
}

/** A stack of things to undo. */
export class Cleanup {
  private readonly undos: Array<{ readonly name: string; readonly undo: Undo }> = []
  private running: Promise<string[]> | null = null
  private caught = false

  /** Registers `undo`. Returns a function that forgets it again: for what has been undone already or is to stay. */
  add(name: string, undo: Undo): () => void {
    const entry = { name, undo }
    this.undos.push(entry)
    loaded.add(this)
    return () => {
      const at = this.undos.indexOf(entry)
      if (at >= 0) this.undos.splice(at, 1)
    }
  }

  /** Whether a signal has come (onSignals): the process will end by itself, nothing new should be begun. */
  get interrupted(): boolean {
    return this.caught
  }

  /** Forgets everything: it stays. */
  keepAll(): void {
    this.undos.length = 0
    loaded.delete(this)
  }

  /** Undoes everything, last first. One failure does not stop the rest; returns what failed. */
  run(): Promise<string[]> {
    this.running ??= this.runAll().finally(() => {
      this.running = null
      if (this.undos.length === 0) loaded.delete(this)
    })
    return this.running
  }

  private async runAll(): Promise<string[]> {
    const failures: string[] = []
    for (let entry = this.undos.pop(); entry !== undefined; entry = this.undos.pop()) {
      try {
        await entry.undo()
      } catch (error) {
        failures.push(`${entry.name}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    return failures
  }

  /**
   * On SIGINT, SIGTERM and SIGHUP: `onSignal`, undo everything, exit with 128 + the signal's number.
   * A second signal changes nothing: what was begun is finished, so nothing is left behind.
   */
  onSignals(onSignal: (signal: NodeJS.Signals) => void): void {
    const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const
    for (const [signal, number] of Object.entries(numbers)) {
      process.on(signal, () => {
        if (this.caught) return
        this.caught = true
        onSignal(signal as NodeJS.Signals)
        void this.run().then(() => process.exit(128 + number))
      })
    }
  }
}
