/** Rows of the fast-path step alone, measured by a program of its own (bench/step.ts). */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { WORKER_V8_OPTIONS } from '../service/workerstart.js'
import { compiled } from '../tools/netlab/index.js'
import { resultRow, type ResultRow } from './results.js'

const runFile = promisify(execFile)

interface StepFigures { readonly nsPerPacket: number; readonly garbageBytesPerPacket: number }

function parseFigures(text: string): StepFigures {
  const value: unknown = JSON.parse(text)
  const { nsPerPacket, garbageBytesPerPacket } = value as Partial<StepFigures>
  if (typeof nsPerPacket !== 'number' || typeof garbageBytesPerPacket !== 'number') {
    throw new Error(`bench/step.js --json: no nsPerPacket and garbageBytesPerPacket in ${text.slice(0, 200)}`)
  }
  return { nsPerPacket, garbageBytesPerPacket }
}

/** Measures the step `runs` times. No rows if the program is not built. */
export async function measureStep(runs: number): Promise<ResultRow[]> {
  const program = compiled('bench/step.js')
  if (!existsSync(program)) return []
  const figures: StepFigures[] = []
  for (let run = 0; run < runs; run++) {
    const { stdout } = await runFile(process.execPath, ['--expose-gc', ...WORKER_V8_OPTIONS, program, '--json'])
    figures.push(parseFigures(stdout.trim().split('\n').at(-1) ?? ''))
  }
  const none = { tasEmbedded: [], nodeNet: [], cEpoll: [] }
  return [
    resultRow({ name: 'fast-path step alone, batch 32', unit: 'ns/packet', lowerIsBetter: true, goal: { limit: 100 } },
      { tas: figures.map(each => each.nsPerPacket), ...none }),
    resultRow({ name: 'fast-path step alone: garbage', unit: 'bytes/packet', lowerIsBetter: true, goal: { limit: 0 } },
      { tas: figures.map(each => each.garbageBytesPerPacket), ...none }),
  ]
}
