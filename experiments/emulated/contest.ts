/**
 * Long flows of several senders through one emulated bottleneck, in real time and with real kernels: TAS and Linux servers in one
 * namespace send to load clients in another, through tas-linkem.
 *
 *   TAS       --\
 *   Linux ... --+-- tas0 ==== tas-linkem: rate, delay, queue, marks ==== peer0 -- Linux, which receives
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Contender, startContender } from '../../bench/contenders.js'
import { DEFAULT_PORT } from '../../bench/servers/ports.js'
import {
  type Cleanup, createEmulatedLab, type EmulatedLab, type Load, loadFailure, startLoad, uniqueName,
} from '../../tools/netlab/index.js'

/** Who sends. */
export type Sender =
  | { readonly kind: 'tas'; readonly tasArgs: readonly string[] }
  | { readonly kind: 'linux'; readonly congestion: string }

/** One sender and its flows. */
export interface Side {
  readonly sender: Sender
  readonly flows: number
}

export interface Link {
  readonly rateMbit: number
  /** Round-trip time of the link alone. */
  readonly rttMs: number
  readonly queuePackets: number
  /** Queue from which on packets that may be marked are; null: never. */
  readonly markPackets: number | null
  readonly seed: number
}

export interface Times {
  readonly warmUpSeconds: number
  readonly seconds: number
}

const CALL_BYTES = 65_536
/** Ports of a server: as many as ports.ts has, and some to spare. */
const PORTS_A_SERVER = 10

/** Payload that a link carries in full segments with timestamps, Mbit/s: the emulator counts frames without their check sum. */
export function linkGoodputMbit({ rateMbit }: Link): number {
  return (rateMbit * 1448) / 1514
}

/** Packets of a bandwidth-delay product. */
export function productPackets(rateMbit: number, rttMs: number): number {
  return Math.ceil((rateMbit * 1000 * rttMs) / 8 / 1514)
}

function linkOptions({ markPackets, queuePackets, rateMbit, rttMs, seed }: Link): string[] {
  const marks = markPackets === null ? [] : [`--ecn=${markPackets}`]
  return [`--rate=${rateMbit}mbit`, `--delay=${rttMs / 2}ms`, `--queue=${queuePackets}`, `--seed=${seed}`, '--buffer=128MiB', ...marks]
}

/** The namespaces and the emulator, for any number of contests one after the other. */
export class Arena {
  private readonly lab: EmulatedLab
  private readonly folder: string
  private readonly cleanup: Cleanup

  private constructor(lab: EmulatedLab, folder: string, cleanup: Cleanup) {
    this.lab = lab
    this.folder = folder
    this.cleanup = cleanup
  }

  /** Throws Error where network namespaces are not permitted. */
  static async create(cleanup: Cleanup): Promise<Arena> {
    const folder = await mkdtemp(join(tmpdir(), 'tas-experiment-'))
    cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
    const lab = await createEmulatedLab({ name: uniqueName('tas-exp') }, cleanup)
    // The receivers open: they ask for ECN, so that senders on TAS that live on marks get them. Linux senders take it up only if told so.
    await lab.peer.sysctl('net.ipv4.tcp_ecn', 1)
    await lab.tas.sysctl('net.ipv4.tcp_ecn', 0)
    return new Arena(lab, folder, cleanup)
  }

  /**
   * Lets all flows of `sides` send at once. Returns what each flow got while it was measured, Mbit/s of payload, side by side. Throws Error if
   * one of them broke.
   */
  async contest(sides: readonly Side[], link: Link, { warmUpSeconds, seconds }: Times): Promise<number[][]> {
    await this.lab.relink(linkOptions(link))
    const contenders: Contender[] = []
    try {
      const loads: Load[] = []
      for (const [index, { sender }] of sides.entries()) contenders.push(await this.startSender(sender, index))
      sides.forEach(({ flows }, index) => loads.push(startLoad(this.lab.peer, {
        mode: 'bulk-in', address: contenders[index].address, port: portOf(index), connections: flows, size: CALL_BYTES, seconds,
        warmup: warmUpSeconds,
      })))
      return await Promise.all(loads.map(flowRates))
    } finally {
      for (const contender of contenders) await contender.stop()
    }
  }

  private startSender(sender: Sender, index: number): Promise<Contender> {
    const options = { lab: this.lab, cleanup: this.cleanup, folder: this.folder, port: portOf(index) }
    if (sender.kind === 'tas') return startContender('tas', { ...options, tasArgs: sender.tasArgs })
    return startContender('cEpoll', { ...options, congestion: sender.congestion })
  }
}

function portOf(index: number): number {
  return DEFAULT_PORT + index * PORTS_A_SERVER
}

async function flowRates(load: Load): Promise<number[]> {
  const result = await load.result()
  const failure = loadFailure(result)
  if (failure !== null) throw new Error(`flows broke: ${failure}`)
  return result.connectionBytes.map((bytes) => (bytes * 8) / result.seconds / 1e6)
}
