/**
 * Program for threads.test.ts: COUNT threads one after the other, each with a connection to ADDRESS:PORT that it does not close; they end in
 * turn by returning, by process.exit, by an exception and by being terminated. Prints what the process had after the first few of them and
 * at the end, and stays. `threads.js ADDRESS PORT COUNT`
 */
import { readdirSync, readFileSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { CONN_OPEN, createEvents, Tas } from 'tasjs'

const WAYS = ['return', 'exit', 'throw', 'terminate'] as const
type Way = (typeof WAYS)[number]
interface Job {
  readonly way: Way
  readonly isAttached: boolean
  readonly address: string
  readonly port: number
}

/** Threads before the first look: whatever is made once is there by then. */
const FIRST = 8
const BLOCK_US = 5_000_000

function openOne({ address, port, isAttached, way }: Job): void {
  const context = Tas.connect().createContext()
  context.connect(address, port)
  const events = createEvents(1)
  while (context.poll(events) === 0) context.block(BLOCK_US)
  if (events[0].type !== CONN_OPEN || events[0].status !== 0) throw new Error('no connection')
  if (isAttached) context.attach(() => undefined, { ref: false })
  parentPort?.postMessage('open')
  if (way === 'exit') process.exit()
  if (way === 'throw') throw new Error('wanted')
  if (way === 'terminate') setInterval(() => undefined, 1_000)
}

function run(job: Job): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: job })
    let isOpen = false
    worker.on('message', () => {
      isOpen = true
      if (job.way === 'terminate') void worker.terminate()
    })
    worker.on('error', (error) => { if (error.message !== 'wanted') reject(error) })
    worker.on('exit', () => (isOpen ? resolve() : reject(new Error(`${job.way}: ended before its connection was open`))))
  })
}

interface Held { readonly descriptors: number; readonly regions: number }

/** What the process has: descriptors, and regions of memory that are mapped. */
function held(): Held {
  const regions = readFileSync('/proc/self/maps', 'latin1').split('\n').filter((line) => line.includes('memfd:')).length
  return { descriptors: readdirSync('/proc/self/fd').length, regions }
}

async function main(address: string, port: number, count: number): Promise<void> {
  let first: Held | null = null
  for (let i = 0; i < count; i++) {
    await run({ way: WAYS[i % WAYS.length], isAttached: (i & 4) !== 0, address, port })
    if (i + 1 === FIRST) first = held()
  }
  console.log(JSON.stringify({ first, last: held() }))
  setInterval(() => undefined, 60_000)
}

if (isMainThread) await main(process.argv[2], Number(process.argv[3]), Number(process.argv[4]))
else openOne(workerData as Job)
