/**
 * The lab of namespaces.ts with the link emulator between its two sides, in a namespace of its own:
 *
 *   namespace NAME-tas            namespace NAME-link            namespace NAME-peer
 *   tas   10.77.0.1        veth        tas-linkem         veth   kernel  10.77.0.2
 *         10.77.0.3 ------tas0======tas1 ... peer1======peer0
 *
 * Direction "ab" of the emulator is from TAS's side to the peer's.
 */
import type { Cleanup } from './cleanup.js'
import {
  bringUp, createNamespace, createPair, KERNEL_ADDRESS, Namespace, PEER_ADDRESS, PEER_INTERFACE, TAS_INTERFACE, type Lab, type LabOptions,
} from './namespaces.js'
import { compiled } from './paths.js'
import { run, type Process } from './processes.js'
import { within } from './wait.js'

/** The emulator's ends: across from TAS, across from the peer. */
const TAS_SIDE = 'tas1'
const PEER_SIDE = 'peer1'

/** Counters of one direction by name, as `tas-linkem --json` prints them (EmulatorCounters in tools/linkem). */
export type DirectionCounts = Readonly<Record<string, number>>

export interface LinkCounts {
  /** From TAS's side to the peer's. */
  readonly ab: DirectionCounts
  readonly ba: DirectionCounts
}

export interface EmulatedLabOptions extends LabOptions {
  /** Options of tas-linkem, such as `--rate=100mbit`; none: a link without faults. */
  readonly link?: readonly string[]
}

/** Two namespaces joined through the emulator. */
export class EmulatedLab implements Lab {
  readonly name: string
  readonly tas: Namespace
  readonly peer: Namespace
  /** Where the emulator runs. */
  readonly link: Namespace
  private emulator: Process | null = null

  constructor(name: string, tas: Namespace, peer: Namespace, link: Namespace) {
    this.name = name
    this.tas = tas
    this.peer = peer
    this.link = link
  }

  /** The running emulator. Throws Error while there is none. */
  get process(): Process {
    if (this.emulator === null) throw new Error('the link is down')
    return this.emulator
  }

  /** Starts the emulator with options of tas-linkem and waits until packets pass. */
  async linkUp(options: readonly string[]): Promise<void> {
    const args = [compiled('tools/linkem/main.js'), '--json', ...options, TAS_SIDE, PEER_SIDE]
    const emulator = this.link.start('tas-linkem', { command: process.execPath, args })
    this.emulator = emulator
    await emulator.line(/"event":"ready"/)
  }

  /** Stops the emulator and returns what it counted. Packets under way are gone. */
  async linkDown(): Promise<LinkCounts> {
    const emulator = this.process
    emulator.kill('SIGTERM')
    const line = await emulator.line(/"event":"counters"/)
    await within('tas-linkem ends', emulator.exited)
    this.emulator = null
    const { ab, ba } = JSON.parse(line) as LinkCounts
    return { ab, ba }
  }

  /** Goes on with other options. Returns what was counted with the old ones. Packets under way are gone. */
  async relink(options: readonly string[]): Promise<LinkCounts> {
    const counts = await this.linkDown()
    await this.linkUp(options)
    return counts
  }
}

/** Makes the namespaces and the link, everything up. What was made is removed at clean-up, also if this throws. */
export async function createEmulatedLab(options: EmulatedLabOptions, cleanup: Cleanup): Promise<EmulatedLab> {
  const { name, mtu = 1500 } = options
  const tas = await createNamespace(`${name}-tas`, TAS_INTERFACE, cleanup)
  const peer = await createNamespace(`${name}-peer`, PEER_INTERFACE, cleanup)
  const tasSide = await createNamespace(`${name}-link`, TAS_SIDE, cleanup)
  const peerSide = new Namespace(tasSide.name, PEER_SIDE, cleanup)
  await createPair(tas, tasSide, mtu)
  await createPair(peer, peerSide, mtu)
  for (const side of [tasSide, peerSide]) await run('ip', ['-n', side.name, 'link', 'set', side.interface, 'up'])
  await bringUp(tas, KERNEL_ADDRESS)
  await bringUp(peer, PEER_ADDRESS)
  const lab = new EmulatedLab(name, tas, peer, tasSide)
  await lab.linkUp(options.link ?? [])
  return lab
}
