/** How long a benchmark takes: said before, and while it runs. */
import type { ServerName } from './contenders.js'
import type { Scenario } from './rows/index.js'

/** Starting and stopping a server, in seconds, as seen on a machine with two CPUs. */
const START_SECONDS = 1.1
/** Connections that are opened, and closed, in a second. */
const OPEN_PER_SECOND = 4000

export interface Times { readonly seconds: number; readonly warmup: number }

/** One server and one scenario, measured once. */
export interface Turn {
  readonly scenario: Scenario
  readonly server: ServerName
  readonly run: number
}

/** About how many seconds one measurement takes. */
export function turnSeconds({ load, reference, minSeconds = 0, minWarmup = 0 }: Scenario, { seconds, warmup }: Times): number {
  const connections = load.kind === 'native' ? load.options.connections ?? 1 : 0
  const measured = Math.max(warmup, minWarmup) + Math.max(seconds, minSeconds)
  return START_SECONDS + measured + (reference === undefined ? 0 : warmup + seconds) + connections / OPEN_PER_SECOND
}

/**
 * All measurements in their order. Machines drift for tens of seconds, so what is compared is measured one right after the other; the
 * order turns with each run, so that no server always comes first. `canTake`: whether a scenario can be measured on a server here.
 */
export function plan(
  scenarios: readonly Scenario[], servers: readonly ServerName[], runs: number,
  canTake: (scenario: Scenario, server: ServerName) => boolean = () => true,
): Turn[] {
  const turns: Turn[] = []
  for (let run = 0; run < runs; run++) {
    for (const scenario of scenarios) {
      const taking = scenario.servers.filter((server) => servers.includes(server) && canTake(scenario, server))
      for (let i = 0; i < taking.length; i++) turns.push({ scenario, server: taking[(i + run) % taking.length], run })
    }
  }
  return turns
}

/** About how many seconds all of `turns` take. */
export function planSeconds(turns: readonly Turn[], times: Times): number {
  return turns.reduce((sum, { scenario }) => sum + turnSeconds(scenario, times), 0)
}

/** Says how long it still takes, going by how the time so far compares with what was expected. */
export class Progress {
  private readonly total: number
  private readonly startMs: number
  private expected = 0

  /** `total`: seconds that are expected; `nowMs`: a clock's time. */
  constructor(total: number, nowMs: number) {
    this.total = total
    this.startMs = nowMs
  }

  /** What was expected to take `seconds` is done. */
  done(seconds: number): void {
    this.expected += seconds
  }

  /** Such as "12 min left". */
  left(nowMs: number): string {
    const spent = (nowMs - this.startMs) / 1000
    const pace = this.expected === 0 ? 1 : spent / this.expected
    return `${durationText((this.total - this.expected) * pace)} left`
  }
}

/** Seconds in words. */
export function durationText(seconds: number): string {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`
}
