/** Process of one fast-path worker; started by the service with the descriptors that workerstart.ts lists. */
import {
  DOORBELL_PAGE_BYTES, DOORBELL_SLOW, Doorbell, doorbellWord, HistogramWriter, StateView, TracedSleepMark, traceRegionBytes, TraceWriter,
  workerHistogramBase,
} from '../lib/memif/index.js'
import {
  Clock,
  dieWithParent,
  EventFd,
  getAffinity,
  LoopPort,
  mapRegion,
  PacketPort,
  Regions,
  sendMessage,
  setAffinity,
  setName,
  SpinPolicy,
  TapPort,
  type Port,
} from '../native/index.js'
import * as start from './workerstart.js'
import { GcPauses } from './gcpauses.js'
import { ControlSocketSource } from './fast/appsource.js'
import { runLoop } from './fast/loop.js'
import { Placement } from './fast/placement.js'
import { Worker } from './fast/worker.js'
import { useHugePages } from './hugepages.js'
import { RunnableThreads } from './runnable.js'

/** Number of the state region among the regions. */
const STATE_REGION = 0

function attachPort(options: start.WorkerStart, regions: Regions): Port {
  const { kind, offload, vlan } = options.port
  if (kind === 'tap') return TapPort.attach(start.WORKER_FD_PORT, { name: options.port.interface, regions, offload, vlan })
  const mac = Uint8Array.from(Buffer.from(options.localMac, 'hex'))
  const sockets = { fd: start.WORKER_FD_PORT, sendFd: start.WORKER_FD_PORT_SEND }
  return PacketPort.attach(sockets, { interface: options.port.interface, regions, mac, offload, vlan, receive: true })
}

/** This worker's ring of the trace region, with a clock of its own: a burst is stamped when it is there, not when its pass began. */
function attachTrace(options: start.WorkerStart): TraceWriter {
  const clock = new Clock()
  const region = mapRegion(start.WORKER_FD_TRACE, traceRegionBytes(options.workers), true)
  return new TraceWriter(region, 1 + options.worker, () => {
    clock.tick()
    return clock.us32
  })
}

/** A worker that is the only one, blocks, and was not given a CPU may choose among those that the service was given. */
function place(options: start.WorkerStart, worker: Worker): Placement | null {
  const allowed = getAffinity()
  if (options.workers > 1 || options.cpu >= 0 || !options.block || allowed.length === 1) return null
  const threads = RunnableThreads.open()
  if (threads === null) return null
  const clock = new Clock()
  clock.tick()
  return new Placement(worker, allowed, { bind: setAffinity, countRunnable: () => threads.count() }, clock.ms32)
}

function main(): void {
  const options = start.decodeWorkerStart(process.argv[2] ?? '{}')
  setName(`tas-fast-${options.worker}`)
  dieWithParent()
  // A terminal sends SIGINT to the whole group; stopping in order is the service's affair.
  process.on('SIGINT', () => undefined)
  if (options.cpu >= 0) setAffinity([options.cpu])
  const memory = mapRegion(start.WORKER_FD_STATE, options.stateBytes, true)
  useHugePages(memory, options.noHugePages)
  const state = new StateView(memory)
  const doorbells = new Int32Array(mapRegion(start.WORKER_FD_DOORBELL, DOORBELL_PAGE_BYTES, true))
  const regions = new Regions()
  regions.add(STATE_REGION, memory)
  const port = attachPort(options, regions)
  const source = new ControlSocketSource(start.WORKER_FD_CONTROL, options)
  const trace = attachTrace(options)
  const counters = new Float64Array(mapRegion(start.WORKER_FD_COUNTERS, options.countersBytes, true))
  const gcPauses = new GcPauses(new HistogramWriter(counters, workerHistogramBase(options.worker, 'gcUs')))
  const worker = new Worker({
    state,
    worker: options.worker,
    port,
    loop: new LoopPort({ beside: port, regions }),
    regions,
    counters,
    slowDoorbell: new Doorbell(doorbells, DOORBELL_SLOW, new EventFd(start.WORKER_FD_SLOW_WAKE)),
    apps: source,
    vlanStrip: options.vlanStrip,
    trace,
  })
  if (options.restart) worker.takeOver(source.known(options.known))
  sendMessage(start.WORKER_FD_CONTROL, start.encodeWorkerReady(), [])
  runLoop({
    worker,
    source,
    policy: new SpinPolicy(options.pollIntervalUs),
    mark: new TracedSleepMark(doorbells, doorbellWord(options.worker), trace),
    wake: new EventFd(start.WORKER_FD_WAKE),
    portFd: port.fd,
    controlFd: start.WORKER_FD_CONTROL,
    mayBlock: options.block,
    callsForHelp: options.autoscale,
    placement: place(options, worker),
    passes: new HistogramWriter(counters, workerHistogramBase(options.worker, 'passUs')),
    collectPauses: () => gcPauses.collect(),
  })
  process.exit(0)
}

main()
