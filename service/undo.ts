/** What start-up has made and must be taken back, last first. */
import { errorText } from './errors.js'
import type { Log } from './log.js'

interface Step {
  readonly what: string
  readonly action: () => void
}

/** A stack of things to take back. Each is taken back once, whatever the others do. */
export class UndoStack {
  private readonly steps: Step[] = []

  /** Notes that `action` takes `what` back. */
  add(what: string, action: () => void): void {
    this.steps.push({ what, action })
  }

  /** Takes everything back, last first. A step that fails is logged, and the others go on. */
  run(log: Log): void {
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      try {
        step.action()
      } catch (error) {
        log.warn({ error: errorText(error) }, `could not remove ${step.what}`)
      }
    }
  }
}
