/** Stores and fetches in Redis, by the hundred in pipelines: ioredis as anybody uses it, on TAS only if it is interposed. */
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { checkPort } from './ports.js'

/** Pairs of a SET and its GET in a pipeline. */
const PAIRS = 50
const VALUE = 'x'.repeat(64)

const { values } = parseArgs({
  options: {
    address: { type: 'string', default: '' }, port: { type: 'string', default: '6379' },
    warmup: { type: 'string', default: '1' }, seconds: { type: 'string', default: '2' },
  },
})
const redis = new Redis({ host: values.address, port: checkPort(values.port), retryStrategy: null })

let commands = 0
let wrong = 0

async function pipeline(): Promise<void> {
  const batch = redis.pipeline()
  for (let i = 0; i < PAIRS; i++) batch.set(`key${i}`, VALUE).get(`key${i}`)
  const answers = await batch.exec() ?? []
  commands += answers.length
  for (let i = 1; i < 2 * PAIRS; i += 2) if (answers.at(i)?.[1] !== VALUE) wrong++
}

/** One pipeline after the other for `seconds`; returns how many there really were. */
async function work(seconds: number): Promise<number> {
  const start = performance.now()
  while (performance.now() - start < seconds * 1000) await pipeline()
  return (performance.now() - start) / 1000
}

await redis.ping()
console.log('ready')
await work(Number(values.warmup))
commands = 0
console.log(JSON.stringify({ event: 'measure' }))
const seconds = await work(Number(values.seconds))
console.log(JSON.stringify({ event: 'result', requests: commands, seconds, wrong }))
// The figures are taken while it is there: its CPU time goes with it.
setInterval(() => undefined, 1000)
