/** Rows of the fast-path step alone, measured by a program of its own (bench/step.ts): one, and two at the same time. */
import { spawn, type ChildProcess } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { WORKER_V8_OPTIONS } from '../service/workerstart.js'
import { compiled } from '../tools/netlab/index.js'
import { emptyRuns, resultRow, type ResultRow } from './results.js'

interface StepFigures { readonly nsPerPacket: number; readonly garbageBytesPerPacket: number }

function parseFigures(text: string): StepFigures {
  const value: unknown = JSON.parse(text)
  const { nsPerPacket, garbageBytesPerPacket } = value as Partial<StepFigures>
  if (typeof nsPerPacket !== 'number' || typeof garbageBytesPerPacket !== 'number') {
    throw new Error(`bench/step.js --json: no nsPerPacket and garbageBytesPerPacket in ${text.slice(0, 200)}`)
  }
  return { nsPerPacket, garbageBytesPerPacket }
}

/** A step that has warmed up and waits. */
interface HeldStep {
  readonly child: ChildProcess
  /** Lets it begin; resolves with its figures. Throws Error if it fails. */
  measure(): Promise<StepFigures>
}

/** Starts a step, bound to `cpu` unless that is null, and resolves when it has warmed up. Throws Error if it ends before. */
async function startStep(cpu: number | null): Promise<HeldStep> {
  const program = [process.execPath, '--expose-gc', ...WORKER_V8_OPTIONS, compiled('bench/step.js'), '--json', '--hold']
  const [command, ...args] = cpu === null ? program : ['taskset', '-c', String(cpu), ...program]
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const nextLine = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error('bench/step.js ended before its time')
    return value
  }
  await nextLine()
  return {
    child,
    measure() {
      child.stdin.end()
      return nextLine().then(parseFigures)
    },
  }
}

/** Steps at the same time, one bound to each of `cpus`. */
async function measureSteps(cpus: readonly (number | null)[]): Promise<StepFigures[]> {
  const steps: HeldStep[] = []
  try {
    for (const cpu of cpus) steps.push(await startStep(cpu))
    return await Promise.all(steps.map((step) => step.measure()))
  } finally {
    for (const { child } of steps) child.kill('SIGKILL')
  }
}

/** How many packets several steps do in the time in which one does one. */
function together(several: readonly StepFigures[], one: StepFigures): number {
  return several.reduce((sum, { nsPerPacket }) => sum + one.nsPerPacket / nsPerPacket, 0)
}

/** Measures the step `runs` times: alone, and two of them on two CPUs, each with ports and memory of its own. */
export async function measureStep(runs: number): Promise<ResultRow[]> {
  const [times, garbage, workers] = [emptyRuns(), emptyRuns(), emptyRuns()]
  for (let run = 0; run < runs; run++) {
    const [alone] = await measureSteps([null])
    times.tas.push(alone.nsPerPacket)
    garbage.tas.push(alone.garbageBytesPerPacket)
    // Bound as each of the two is, so that nothing else differs.
    const [one] = await measureSteps([0])
    if (availableParallelism() > 1) workers.tas.push(together(await measureSteps([0, 1]), one))
  }
  return [
    resultRow({ id: 'step.time', name: 'fast-path step alone, batch 32', unit: 'ns/packet', lowerIsBetter: true }, times),
    resultRow({ id: 'step.garbage', name: 'fast-path step alone: garbage', unit: 'bytes/packet', lowerIsBetter: true }, garbage),
    resultRow({ id: 'step.workers', name: 'two workers on in-memory ports, two CPUs', unit: 'x one worker', lowerIsBetter: false }, workers),
  ]
}
