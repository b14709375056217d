/** What an experiment is, and what it hands back. */
import type { Chart } from '../plots/charts.js'

export interface RunOptions {
  /** A few seconds instead of a minute: fewer points, shorter times. */
  readonly quick: boolean
  readonly seed: number
  /** Says how far it has come. */
  readonly say: (text: string) => void
}

/** A stated figure, and whether it is met. */
export interface Goal {
  readonly what: string
  readonly figure: string
  readonly isMet: boolean
}

export interface Table {
  /** Of its marks in the page. */
  readonly name: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export interface Result {
  readonly goals: readonly Goal[]
  readonly tables: readonly Table[]
  readonly charts: readonly Chart[]
  /** Everything behind tables and charts, for JSON. */
  readonly data: unknown
}

export interface Experiment {
  /** In `--only` and the list. */
  readonly number: number
  /** Of its page and its files. */
  readonly name: string
  readonly title: string
  /** Real kernels take part: network namespaces must be permitted, and time is real. */
  readonly needsNetwork?: boolean
  run(options: RunOptions): Result | Promise<Result>
}
