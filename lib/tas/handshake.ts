/** Control messages with the TAS service over its unix socket, from the application's side (lib/memif/control.ts). */
import { closeFd, connectUnix, nowUs, receiveMessage, sendMessage, waitReadable } from '../../native/index.js'
import {
  CONTEXTS_MAX, CONTROL_MESSAGE_MAX, CONTROL_PAGE_MAX, decodeControl, encodeControl, LAYOUT_VERSION, WORKERS_MAX,
  type AppToTas,
} from '../memif/index.js'
import { addressWord } from './address.js'
import { codeOf, TasError } from './errors.js'
import type { Network, Networks } from './link.js'

/** How long the service may take to answer. It answers in well under a millisecond unless it hangs. */
const ANSWER_TIMEOUT_US = 5_000_000

/** Descriptors of the welcome before those of the workers: region, doorbell page, slow path's eventfd. */
const WELCOME_FDS = 3

/** What the service granted. The descriptors belong to the caller. */
export interface Welcome {
  readonly control: number
  readonly regionBytes: number
  readonly regionFd: number
  readonly doorbellFd: number
  readonly slowFd: number
  readonly workerFds: readonly number[]
}

interface Answer {
  readonly message: Readonly<Record<string, unknown>>
  readonly fds: readonly number[]
}

/**
 * Connects to the service at `socket` and says hello as `name`.
 * Throws TasError: ENOENT (no service there), EACCES, ETIMEDOUT (it does not answer), EVERSION, EPROTO, ESERVICEGONE,
 * or the code with which the service refused.
 */
export function sayHello(socket: string, name: string): Welcome {
  const control = connectTo(socket)
  try {
    const { message, fds } = ask(control, socket, { op: 'hello', version: LAYOUT_VERSION, name })
    const welcome = readWelcome(control, message, fds)
    if (welcome !== null) return welcome
    closeAll(fds)
    if (message['op'] === 'welcome' && message['version'] !== LAYOUT_VERSION) {
      throw new TasError('EVERSION', `the TAS at ${socket} speaks layout version ${String(message['version'])}, `
        + `this library ${LAYOUT_VERSION}: install the same version of tasjs on both sides`)
    }
    throw new TasError('EPROTO', `what answers at ${socket} is not a TAS service`)
  } catch (error) {
    closeFd(control)
    throw error
  }
}

/** Asks for another context. Returns its id, the eventfd that wakes it, and the descriptor whose end is its end. */
export function askContext(control: number, socket: string): { context: number; fd: number; lifeFd: number } {
  const { message, fds } = ask(control, socket, { op: 'context' })
  const context = message['context']
  const good = message['op'] === 'context' && isInteger(context, 0, CONTEXTS_MAX - 1) && fds.length === 2
  if (good) return { context, fd: fds[0], lifeFd: fds[1] }
  closeAll(fds)
  throw new TasError('EPROTO', `the TAS at ${socket} answered the request for a context with ${JSON.stringify(message)}`)
}

/** Asks what the service can reach. Throws TasError as `sayHello` does. */
export function askNetworks(control: number, socket: string): Networks {
  const { message, fds } = ask(control, socket, { op: 'networks' })
  closeAll(fds)
  const addresses = readNetworks(message['addresses'])
  const routes = readNetworks(message['routes'])
  if (addresses !== null && routes !== null) return { addresses, routes }
  throw new TasError('EPROTO', `the TAS at ${socket} does not say which networks it serves`)
}

/** ['10.0.0.1/24', ...] as networks, or null if it is something else. */
function readNetworks(value: unknown): readonly Network[] | null {
  if (!Array.isArray(value)) return null
  const networks: Network[] = []
  for (const item of value as readonly unknown[]) {
    const [address = '', prefix = ''] = typeof item === 'string' ? item.split('/') : []
    if (!isInteger(Number(prefix), 0, 32) || prefix === '') return null
    networks.push({ ip: addressWord(address), prefix: Number(prefix) })
  }
  return networks
}

/** Whether the other end of the control socket is gone. Does not wait. */
export function controlEnded(control: number, readable: Int32Array): boolean {
  readable[0] = control
  if (waitReadable(readable, 1, 0) === 0) return false
  try {
    const received = receiveMessage(control, new Uint8Array(CONTROL_MESSAGE_MAX))
    if (received === null) return false
    closeAll(received.fds)
    // Outside of a request the service only ever says why it hangs up.
    return true
  } catch {
    return true
  }
}

function connectTo(socket: string): number {
  try {
    return connectUnix(socket)
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'ENOENT' || code === 'ECONNREFUSED') {
      throw new TasError('ENOENT', `no TAS service at ${socket}: start one with `
        + '`tas --ip-addr=ADDR/PREFIX --nic=INTERFACE`, or name its socket in TAS_SOCKET', { cause })
    }
    // What is no system error (the native part is not built) says itself what to do.
    if (code === '' || code.startsWith('ERR_')) throw cause
    throw new TasError(code, `cannot connect to the TAS service at ${socket}`, { cause })
  }
}

function ask(control: number, socket: string, request: AppToTas): Answer {
  try {
    if (!sendMessage(control, encodeControl(request), [])) throw hangs(socket)
    if (!awaitAnswer(control)) throw hangs(socket)
    return receiveAnswer(control, socket)
  } catch (cause) {
    if (cause instanceof TasError) throw cause
    const code = codeOf(cause)
    const ended = code === 'EPIPE' || code === 'ECONNRESET'
    throw new TasError(ended ? 'ESERVICEGONE' : code || 'EIO', `talking to the TAS service at ${socket}`, { cause })
  }
}

/** Whether there is an answer in time. A signal that has a handler ends each wait, as the one of Node's profiler does every millisecond. */
function awaitAnswer(control: number): boolean {
  const fds = Int32Array.of(control)
  const untilUs = nowUs() + ANSWER_TIMEOUT_US
  for (let leftUs = ANSWER_TIMEOUT_US; leftUs > 0; leftUs = untilUs - nowUs()) {
    if (waitReadable(fds, 1, leftUs) !== 0) return true
  }
  return false
}

function receiveAnswer(control: number, socket: string): Answer {
  const bytes = new Uint8Array(CONTROL_PAGE_MAX)
  const received = receiveMessage(control, bytes)
  if (received === null) throw hangs(socket)
  if (received.lenBytes === 0) throw new TasError('ESERVICEGONE', `the TAS service at ${socket} hung up`)
  const message = decodeControl(bytes.subarray(0, received.lenBytes))
  if (message === null) {
    closeAll(received.fds)
    throw new TasError('EPROTO', `what answers at ${socket} is not a TAS service`)
  }
  if (message['op'] === 'error') {
    closeAll(received.fds)
    throw new TasError(String(message['code']), `the TAS service at ${socket} refused: ${String(message['message'])}`)
  }
  return { message, fds: received.fds }
}

function readWelcome(control: number, message: Answer['message'], fds: readonly number[]): Welcome | null {
  const { op, version, workers, regionBytes } = message
  if (op !== 'welcome' || version !== LAYOUT_VERSION) return null
  if (!isInteger(workers, 1, WORKERS_MAX) || fds.length !== WELCOME_FDS + workers) return null
  if (!isInteger(regionBytes, 1, Number.MAX_SAFE_INTEGER)) return null
  const [regionFd, doorbellFd, slowFd, ...workerFds] = fds
  return { control, regionBytes, regionFd, doorbellFd, slowFd, workerFds }
}

function isInteger(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
}

function hangs(socket: string): TasError {
  return new TasError('ETIMEDOUT', `the TAS service at ${socket} does not answer`)
}

/** Closes descriptors that came with a message. */
export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeFd(fd)
}
