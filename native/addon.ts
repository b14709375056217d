/** Finds and loads the compiled addon, on first use, so that what needs no native code works without it. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { SharedArrays } from './portarrays.js'
import type { WireArrays } from './wirearrays.js'

/** The addon cannot be used. `code` is ERR_NATIVE_NOT_BUILT or ERR_NATIVE_LOAD; the message says what to run. */
export class NativeError extends Error {
  override readonly name = 'NativeError'
  readonly code: 'ERR_NATIVE_NOT_BUILT' | 'ERR_NATIVE_LOAD'

  constructor(code: NativeError['code'], message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
  }
}

/** An opaque pointer held by the addon. */
export type NativeHandle = { readonly native: unique symbol }

/** Arrays and settings that the native half of a port captures once. */
export interface BurstOptions extends SharedArrays {
  readonly regions: NativeHandle
  readonly frames: Uint8Array
  readonly offload: boolean
  /** 0, or left out: none. */
  readonly vlan?: number
}

/** What both native ports can do. */
export interface SendHandle {
  transmit(first: number, count: number): number
  sendFrame(frame: Uint8Array, len: number): boolean
  verifyTcp(index: number): boolean
}

/** The native half of a PacketPort. */
export interface PacketHandle extends SendHandle {
  deliver(count: number, frames: number, split: number): void
  release(slot: number, frames: number, lap: number, split: number): void
  takeDrops(): number
}

/** The native half of a TapPort. */
export interface TapHandle extends SendHandle {
  receive(): number
  deliver(count: number): void
  release(): void
}

/** The native half of a LoopPort. */
export interface LoopHandle {
  deliver(count: number, frames: number, first: number): void
}

/** Arrays and settings that the native half of a LinkPort captures once; see native/linkport.ts. */
export interface LinkPortArrays extends Omit<WireArrays, 'burst'> {
  readonly isTap: boolean
  readonly frames: Uint8Array
  readonly slotBytes: number
  readonly counts: Float64Array
}

/** The native half of a LinkPort. */
export interface LinkHandle {
  receive(max: number): number
  send(count: number): number
}

/** The functions of the addon. Failed system calls throw Error with code, errno (negative) and syscall. */
export interface Addon {
  createRegion(name: string, lenBytes: number): { fd: number; buffer: ArrayBuffer }
  mapRegion(fd: number, lenBytes: number, writable: boolean): ArrayBuffer
  unmapRegion(buffer: ArrayBuffer): void
  reopenReadOnly(fd: number): number
  createSharedObject(name: string, lenBytes: number): ArrayBuffer
  openSharedObject(name: string): ArrayBuffer
  unlinkSharedObject(name: string): void
  closeFd(fd: number): void
  adviseHugePages(buffer: ArrayBuffer): boolean
  punchHole(fd: number, fromByte: number, lenBytes: number): void

  regionsCreate(): NativeHandle
  regionsAdd(table: NativeHandle, index: number, memory: ArrayBuffer | Uint8Array): void
  regionsRemove(table: NativeHandle, index: number): void

  listenUnix(path: string): number
  claimName(name: string): number
  claimantUid(name: string): number
  acceptUnix(fd: number): number
  connectUnix(path: string): number
  socketPair(): [number, number]
  sendMessage(fd: number, bytes: Uint8Array, fds: readonly number[]): boolean
  receiveMessage(fd: number, bytes: Uint8Array): { lenBytes: number; fds: number[] } | null
  peerCredentials(fd: number): { pid: number; uid: number; gid: number }

  eventfdCreate(): number
  eventfdWrite(fd: number): void
  timerfdCreate(): number
  timerArm(fd: number, deltaUs: number): void
  counterRead(fd: number): void
  waitReadable(fds: Int32Array, count: number, timeoutUs: number): number
  clockCreate(cell: Int32Array): { tick(): void }
  nowUs(): number
  yieldCpu(): number

  epollCreate(): number
  epollControl(epollFd: number, operation: number, fd: number, events: number): void
  epollTake(epollFd: number, out: Int32Array, max: number): number
  copyBytes(target: Uint8Array, targetOffset: number, source: Uint8Array, sourceOffset: number, len: number): void

  watcherCreate(fd: number, onReadable: () => void): NativeHandle
  turnsCreate(onTurn: () => void): NativeHandle
  turnsStart(turns: NativeHandle): void
  turnsStop(turns: NativeHandle): void
  loopHandleClose(handle: NativeHandle): void
  loopHandleRef(handle: NativeHandle): void
  loopHandleUnref(handle: NativeHandle): void
  uncaught(exception: unknown): void

  fdsHold(fds: readonly number[], users: Int32Array): NativeHandle
  fdsAdd(held: NativeHandle, fd: number): void
  fdsRemove(held: NativeHandle, fd: number): void
  fdsDrop(held: NativeHandle): void

  setAffinity(cpus: readonly number[]): void
  getAffinity(): number[]
  currentCpu(): number
  setTimerSlackNs(ns: number): void
  setName(name: string): void
  dieWithParent(): void

  interfaceInfo(name: string): { index: number; mac: Uint8Array; mtu: number; up: boolean }
  checksumFold(bytes: Uint8Array, offset: number, len: number, initial: number): number

  packetOpen(name: string, mac: Uint8Array, receive: boolean, slots: number, slotBytes: number): number
  packetMap(fd: number, lenBytes: number): ArrayBuffer | null
  packetFilter(fd: number, mac: Uint8Array | null): void
  packetDrain(fd: number): void
  packetPort(fd: number, sendFd: number, options: BurstOptions & { slots: number; slotBytes: number }): PacketHandle
  fanoutJoin(fd: number, group: number): number
  fanoutSteer(fd: number, program: Uint8Array, done: (error?: Error) => void): void
  tapOpen(name: string, offload: boolean, hostMac: Uint8Array | null, queue: number): number
  tapPort(fd: number, options: BurstOptions): TapHandle
  loopPort(options: BurstOptions): LoopHandle
  linkOpen(name: string): number
  linkPort(fd: number, options: LinkPortArrays): LinkHandle
  linkDrops(fd: number): number
}

/** From native/, from dist/native/ or a bundle in dist/service/ or dist/bench/, and from a bundle in dist/lib/tas/. */
const PLACES = ['../build/Release/tasjs.node', '../../build/Release/tasjs.node', '../../../build/Release/tasjs.node']

const HOW_TO_BUILD = 'run `npm rebuild tasjs` where it is installed, `npm run build` in a clone'

function load(): Addon {
  const places = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)))
  const found = places.find((place) => existsSync(place))
  if (found === undefined) {
    throw new NativeError('ERR_NATIVE_NOT_BUILT', `the native addon is not built; ${HOW_TO_BUILD}`)
  }
  try {
    const loaded: unknown = createRequire(import.meta.url)(found)
    return loaded as Addon
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new NativeError('ERR_NATIVE_LOAD', `the native addon does not load (${why}); ${HOW_TO_BUILD}`, cause)
  }
}

let loaded: Addon | undefined

/** The addon, loaded on first call. Throws NativeError. */
export function addon(): Addon {
  return (loaded ??= load())
}
