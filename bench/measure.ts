/** One measurement: a fresh server, load on it, and everything stopped again. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { makeCertificates } from '../test/interpose/certificates.js'
import { nativeProgram, startProcess, type Cleanup, type Lab, type Process } from '../tools/netlab/index.js'
import { manyConnections } from './choice.js'
import { startContender, type Contender, type ContenderOptions, type PlainProgram, type ServerName } from './contenders.js'
import type { LoadContext } from './loads/context.js'
import { runNative, verifyEcho } from './loads/native.js'
import { redisClientArgs, runRedis, startRedis } from './loads/redis.js'
import { runWrk } from './loads/wrk.js'
import type { Pin } from './options.js'
import type { ProgramName, Scenario } from './rows/index.js'
import type { Sample } from './sample.js'

/** Where and how long. */
export interface Conditions {
  readonly lab: Lab
  readonly cleanup: Cleanup
  /** For sockets, logs, certificates. */
  readonly folder: string
  readonly seconds: number
  readonly warmup: number
  readonly pin: Pin
  /** Sends random messages to echo servers first and compares every byte. */
  readonly verifies: boolean
}

export interface Measured {
  readonly sample: Sample
  /** Of the scenario's reference load; without one the sample itself. */
  readonly reference: Sample
}

/** Client on the last CPU, unless nothing is bound. */
function clientCpu(pin: Pin): number | null {
  return pin === 'none' ? null : availableParallelism() - 1
}

/** The CPUs that a server's processes are bound to; undefined: any. */
function serverCpus({ hasOneCpu }: Scenario, pin: Pin): string | undefined {
  if (hasOneCpu === true) return '0'
  return pin === 'both' ? `0-${availableParallelism() - 2}` : undefined
}

const PROGRAM_FILES: Readonly<Record<ProgramName, string>> = {
  http: 'bench/servers/http.js', net: 'bench/servers/node-net.js', tls: 'bench/servers/tls.js', 'redis-client': 'bench/servers/redis-client.js',
}

/** A program of the benchmark's that knows nothing of TAS, with its arguments; files that it needs are made in `context.folder`. */
export function programOf(name: ProgramName, context: Pick<LoadContext, 'folder' | 'warmup' | 'seconds'>): PlainProgram {
  if (name === 'tls') makeCertificates(context.folder)
  const args = name === 'redis-client' ? redisClientArgs(context)
    : name === 'tls' ? [`--key=${join(context.folder, 'server-key.pem')}`, `--cert=${join(context.folder, 'server.pem')}`] : []
  return { file: PROGRAM_FILES[name], args }
}

function contenderOptions(scenario: Scenario, { pin }: Conditions, context: LoadContext): ContenderOptions {
  const { program, callBytes, bufferBytes } = scenario
  const cpus = serverCpus(scenario, pin)
  const connections = manyConnections(scenario)
  return {
    lab: context.lab, cleanup: context.cleanup, folder: context.folder,
    ...(cpus === undefined ? {} : { cpus }), ...(callBytes === undefined ? {} : { callBytes }), ...(bufferBytes === undefined ? {} : { bufferBytes }),
    ...(connections === undefined ? {} : { connections }), ...(program === undefined ? {} : { program: programOf(program, context) }),
  }
}

async function startHog(cleanup: Cleanup): Promise<Process> {
  const hog = startProcess('cpu_hog', { command: nativeProgram('cpu_hog') }, cleanup)
  await hog.line(/ready/)
  return hog
}

/** What has to run beside the server, started before it. */
async function startBeside(scenario: Scenario, context: LoadContext): Promise<Process | null> {
  return scenario.load.kind === 'redis' ? startRedis(context) : null
}

function run(load: Scenario['load'], contender: Contender, context: LoadContext): Promise<Sample> {
  switch (load.kind) {
    case 'native': return runNative(load, contender, context)
    case 'wrk': return runWrk(load, contender, context)
    case 'redis': return runRedis(contender, context)
  }
}

async function measureOn(contender: Contender, scenario: Scenario, conditions: Conditions, context: LoadContext): Promise<Measured> {
  const { load, reference } = scenario
  if (conditions.verifies && load.kind === 'native' && load.options.mode === 'echo') {
    const wrong = await verifyEcho(contender, context)
    if (wrong !== null) throw new Error(wrong)
  }
  const before = reference === undefined ? null : await runNative(reference, contender, context)
  const hog = scenario.hasHog === true ? await startHog(context.cleanup) : null
  try {
    const sample = await run(load, contender, context)
    return { sample, reference: before ?? sample }
  } finally {
    await hog?.stop()
  }
}

/** Measures a scenario on a fresh server. Throws Error if the server or the client fails, or if connections do. */
export async function measureScenario(scenario: Scenario, server: ServerName, conditions: Conditions): Promise<Measured> {
  const { lab, cleanup, folder, pin } = conditions
  const warmup = Math.max(conditions.warmup, scenario.minWarmup ?? 0)
  const seconds = Math.max(conditions.seconds, scenario.minSeconds ?? 0)
  const context: LoadContext = { lab, cleanup, folder, warmup, seconds, clientCpu: clientCpu(pin) }
  const beside = await startBeside(scenario, context)
  try {
    const contender = await startContender(server, contenderOptions(scenario, conditions, context))
    try {
      const measured = await measureOn(contender, scenario, conditions, context)
      const failure = measured.sample.failure ?? measured.reference.failure
      if (failure !== null) throw new Error(failure)
      return measured
    } finally {
      await contender.stop()
    }
  } finally {
    await beside?.stop()
  }
}
