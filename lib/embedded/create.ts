/** An embedded TAS: everything opened, put together and taken back again. */
import { writeSync } from 'node:fs'
import { COUNTERS_BYTES, writeCountersHeader } from '../memif/index.js'
import { TasError } from '../tas/errors.js'
import type { Network, Networks } from '../tas/link.js'
import { Tas } from '../tas/tas.js'
import {
  Clock, closeFd, createRegion, type CreatedRegion, LoopPort, nowUs, type Port, punchHole, Regions, setTimerSlackNs, unmapRegion, waitReadable,
  yieldCpu,
} from '../../native/index.js'
import { loadModule } from '../../service/congestionmodule.js'
import { EnvironmentError, errorCode, UsageError } from '../../service/errors.js'
import { createLog, type Log } from '../../service/log.js'
import { createState } from '../../service/memory.js'
import type { Options } from '../../service/options.js'
import { openPort } from '../../service/ports.js'
import { randomMac, slowRandomness } from '../../service/randomness.js'
import { appRegionShape } from '../../service/sizes.js'
import { slowConfig } from '../../service/slowconfig.js'
import type { Algorithm } from '../../service/slow/congestion/algorithm.js'
import { UndoStack } from '../../service/undo.js'
import { EmbeddedLink } from './link.js'
import { LoopDriver } from './loop.js'
import { readOptions, type EmbeddedOptions } from './options.js'
import { Stack, type StackParts } from './stack.js'
import { Tools } from './tools.js'

const WORKERS = 1
/** Number of the state region among the regions. */
const STATE_REGION = 0
/** As in a worker process (service/fast/loop.ts): a wait with a time-out ends when something is to leave. */
const TIMER_SLACK_NS = 1
/** The tools' descriptor is behind the port's. */
const TOOLS_READY = 2

/**
 * Makes a TAS of this program's own on a network interface: slow path, fast path and the program in one thread, no service. What it returns
 * is used like that of `Tas.connect`; `close` resets what is open and removes everything. The stack runs while a context is polled, blocks or
 * is attached, and only then. Throws TasError: EINVAL for options, EADDRINUSE when another TAS has the address on that interface, else the
 * code of what the system refuses (ENODEV, EPERM, ENETDOWN, EBUSY, ...).
 */
export async function createEmbedded(options: EmbeddedOptions): Promise<Tas> {
  try {
    const checked = readOptions(options)
    return openEmbedded(checked, await loadModule(checked.cc))
  } catch (error) {
    throw typedError(error)
  }
}

/** What the library throws for `error`: a TasError for what the user can change. */
export function typedError(error: unknown): unknown {
  if (error instanceof UsageError) return new TasError('EINVAL', error.message, { cause: error })
  if (error instanceof EnvironmentError) return new TasError(errorCode(error.cause) || 'EINVAL', error.message, { cause: error })
  return error
}

/** stderr is the program's own: that nobody reads it is no reason to end. */
function writeLine(line: string): void {
  try {
    writeSync(2, line)
  } catch {
    // EPIPE: the reader is gone. EAGAIN: it does not keep up.
  }
}

/** Opens everything. Throws UsageError and EnvironmentError. */
export function openEmbedded(options: Options, congestionModule: Algorithm | null): Tas {
  const log = createLog(options, { write: writeLine })
  const undo = new UndoStack()
  try {
    for (const note of options.notes) log.info({}, note)
    return assemble(options, congestionModule, log, undo)
  } catch (error) {
    undo.run(log)
    throw error
  }
}

function assemble(options: Options, congestionModule: Algorithm | null, log: Log, undo: UndoStack): Tas {
  const regions = new Regions()
  const mac = options.mac ?? randomMac()
  const port = openPort(options, mac, regions, undo)
  const tools = options.socket === '' ? null : new Tools(options, undo)
  const { state, region } = createState(options, WORKERS, undo)
  regions.add(STATE_REGION, region.buffer)
  undo.add('the state region\'s mapping', () => unmap(regions, STATE_REGION, region))
  let end = (): void => undefined
  const stack = new Stack({
    state, port, regions, mac, log, ...environment(port, regions, tools), ...seenBy(tools), ...slowRandomness(),
    config: slowConfig(options, WORKERS), vlanStrip: options.fpVlanStrip,
    appEnded: () => end(),
    ...(congestionModule === null ? {} : { congestionModule }),
  })
  const driver = new LoopDriver(stack, port.fd)
  undo.add('watchers', () => driver.close())
  const link = addProgram(stack, driver, options, regions, log, undo)
  end = () => link.end()
  tools?.open(stack.slow, () => stack.slowBell.wake(), log, undo)
  const tas = Tas.attach(link)
  closeAtExit(tas, undo)
  return tas
}

/** A program that ends without `close` leaves as one that leaves a service: peers are told. */
function closeAtExit(tas: Tas, undo: UndoStack): void {
  const leave = (): void => {
    try {
      tas.close()
    } catch {
      // What the program ends for may be the stack's own failure: the exit code is the program's all the same.
    }
  }
  process.on('exit', leave)
  undo.add('the exit handler', () => process.off('exit', leave))
}

/** What the stack is given by this machine. */
function environment(
  port: Port, regions: Regions, tools: Tools | null,
): Pick<StackParts, 'loop' | 'clock' | 'nowUs' | 'yieldCpu' | 'block' | 'discard'> {
  const fds = Int32Array.of(port.fd, ...(tools === null ? [] : [tools.fd]))
  setTimerSlackNs(TIMER_SLACK_NS)
  return {
    loop: new LoopPort({ beside: port, regions }), clock: new Clock(), nowUs, yieldCpu,
    block: (timeoutUs) => {
      const ready = waitReadable(fds, fds.length, timeoutUs)
      if ((ready & TOOLS_READY) !== 0) tools?.look()
      return ready !== 0
    },
    discard: ({ fd }, fromByte, lenBytes) => punchHole(fd, fromByte, lenBytes),
  }
}

/** What tools look at; without them it is nobody's. */
function seenBy(tools: Tools | null): Pick<StackParts, 'counters' | 'trace' | 'workerTrace' | 'onlooker'> {
  if (tools !== null) return { counters: tools.counters, trace: tools.slowTrace, workerTrace: tools.workerTrace, onlooker: tools }
  const counters = new Float64Array(COUNTERS_BYTES / Float64Array.BYTES_PER_ELEMENT)
  writeCountersHeader(counters, WORKERS, process.pid, Date.now())
  return { counters }
}

/** Unmaps memory that descriptors may name. */
function unmap(regions: Regions, index: number, region: CreatedRegion): void {
  if (regions.get(index) !== undefined) regions.remove(index)
  unmapRegion(region.buffer)
}

/** What a TAS with these options reaches. */
export function networksOf({ ipAddr, ipRoute }: Pick<Options, 'ipAddr' | 'ipRoute'>): Networks {
  const network = ({ address, prefix }: { readonly address: number; readonly prefix: number }): Network => ({ ip: address | 0, prefix })
  return { addresses: ipAddr.map(network), routes: ipRoute.map(network) }
}

/** Enters this program as the only application, in memory of its own. */
function addProgram(stack: Stack, driver: LoopDriver, options: Options, regions: Regions, log: Log, undo: UndoStack): EmbeddedLink {
  const region = createRegion('tas-app', appRegionShape(options, WORKERS).regionBytes)
  undo.add('the program\'s region', () => closeFd(region.fd))
  const app = stack.slow.apps.addApp(region, { name: `pid ${process.pid}`, pid: process.pid, uid: process.getuid?.() ?? 0 })
  undo.add('the program\'s mapping', () => unmap(regions, app, region))
  return new EmbeddedLink({ stack, driver, region: region.buffer, app, networks: networksOf(options), closed: () => undo.run(log) })
}
