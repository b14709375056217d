/**
 * Program for threads.test.ts: COUNT threads one after the other, each with a connection to ADDRESS:PORT and a listener that it does not close; they
 * end in turn by returning, by process.exit, by an exception and by being terminated. With SHARED they share the application of the main thread,
 * which makes and closes contexts of its own afterwards. Prints what the process had after the first few of them and at the end, and stays.
 * `threads.js ADDRESS PORT COUNT [SHARED]`
 */
import { readdirSync, readFileSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { CONN_OPEN, createEvents, LISTEN_OPEN, Tas, type Context } from 'tasjs'
import type { SharedTas } from '../../lib/tas/link.js'

const WAYS = ['return', 'exit', 'throw', 'terminate'] as const
type Way = (typeof WAYS)[number]
interface Job {
  readonly way: Way
  readonly isAttached: boolean
  readonly address: string
  readonly port: number
  readonly share: SharedTas | null
}

/** Threads before the first look: whatever is made once is there by then. */
const FIRST = 8
const BLOCK_US = 5_000_000
/** Contexts that the main thread makes and closes: more than there can be at once, and more than the service grants in a second. */
const OWN_CONTEXTS = 200

/** The next event, which must be of `type` and tell of no error. */
function expectEvent(context: Context, type: number): void {
  const events = createEvents(1)
  while (context.poll(events) === 0) context.block(BLOCK_US)
  if (events[0].type !== type || events[0].status !== 0) throw new Error(`event ${events[0].type}, ${events[0].code}, in place of ${type}`)
}

function openOne({ address, port, isAttached, way, share }: Job): void {
  const context = (share === null ? Tas.connect() : Tas.join(share)).createContext()
  context.listen(0)
  expectEvent(context, LISTEN_OPEN)
  context.connect(address, port)
  expectEvent(context, CONN_OPEN)
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

/** Each opens a listener, so that its id is used. */
function makeContexts(tas: Tas): void {
  for (let i = 0; i < OWN_CONTEXTS; i++) {
    const context = tas.createContext()
    context.listen(0)
    expectEvent(context, LISTEN_OPEN)
    context.close()
  }
}

async function main(address: string, port: number, count: number, isShared: boolean): Promise<void> {
  let first: Held | null = null
  const tas = isShared ? Tas.connect() : null
  const share = tas?.share() ?? null
  for (let i = 0; i < count; i++) {
    await run({ way: WAYS[i % WAYS.length], isAttached: (i & 4) !== 0, address, port, share })
    if (i + 1 === FIRST) first = held()
  }
  if (tas !== null) makeContexts(tas)
  console.log(JSON.stringify({ first, last: held() }))
  setInterval(() => undefined, 60_000)
}

if (isMainThread) await main(process.argv[2], Number(process.argv[3]), Number(process.argv[4]), process.argv.length > 5)
else openOne(workerData as Job)
