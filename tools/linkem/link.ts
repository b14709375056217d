/** A link in real time with everything it needs: ports, memory, capture file. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { interfaceInfo, LINK_HEADERS_MAX, LinkPort, nowUs } from '../../native/index.js'
import { Emulator, type EmulatorCounters } from './emulator.js'
import { FramePool } from './frames.js'
import type { LinkEnd, LinkemOptions } from './options.js'
import { PcapngWriter } from '../pcapng/writer.js'
import { RealtimeLink } from './realtime.js'

/** MTU of a TAP device that is made here. */
const TAP_MTU = 1500
const SLOT_UNIT = 64

/** An interface, file or right that is not there: one line. */
export class LinkError extends Error {}

function named<T>(what: string, make: () => T): T {
  try {
    return make()
  } catch (cause) {
    throw new LinkError(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

function mtuOf({ kind, name }: LinkEnd): number {
  return kind === 'tap' ? TAP_MTU : named(name, () => {
    const { mtu, up } = interfaceInfo(name)
    if (!up) throw new Error(`the interface is down; ip link set ${name} up`)
    return mtu
  })
}

/** A file that gets packets until it cannot; the link goes on without it. */
class CaptureFile {
  readonly writer: PcapngWriter
  private fd: number

  constructor(path: string, interfaces: readonly string[], snapBytes: number, warn: (message: string) => void) {
    this.fd = named(`--capture: "${path}"`, () => openSync(path, 'w'))
    this.writer = new PcapngWriter(interfaces, snapBytes, (bytes) => {
      try {
        for (let done = 0; this.fd >= 0 && done < bytes.length;) done += writeSync(this.fd, bytes, done)
      } catch (error) {
        this.close()
        warn(`--capture: "${path}": ends here: ${error instanceof Error ? error.message : String(error)}`)
      }
    }, 'tas-linkem')
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = -1
  }
}

export class Link {
  private readonly emulator: Emulator
  private readonly runner: RealtimeLink
  private readonly ports: readonly LinkPort[]
  private readonly capture: CaptureFile | null

  private constructor(emulator: Emulator, runner: RealtimeLink, ports: readonly LinkPort[], capture: CaptureFile | null) {
    this.emulator = emulator
    this.runner = runner
    this.ports = ports
    this.capture = capture
  }

  /** Opens everything and begins. Throws LinkError. Later failures of the ports go to `onError`, warnings to `warn`. */
  static open(options: LinkemOptions, onError: (error: unknown) => void, warn: (message: string) => void): Link {
    const { a, b, bufferBytes } = options
    const mtu = Math.max(mtuOf(a), mtuOf(b))
    const slotBytes = Math.ceil((mtu + LINK_HEADERS_MAX) / SLOT_UNIT) * SLOT_UNIT
    const pool = named('--buffer', () => new FramePool(Math.max(1, Math.floor(bufferBytes / slotBytes)), slotBytes))
    const ports: LinkPort[] = []
    const openPort = ({ kind, name }: LinkEnd): LinkPort => {
      const port = named(name, () => LinkPort.open({ kind, name, frames: pool.memory, slotBytes }))
      ports.push(port)
      return port
    }
    let capture: CaptureFile | null = null
    try {
      const [portA, portB] = [openPort(a), openPort(b)]
      capture = options.capture === null ? null : new CaptureFile(options.capture, [a.name, b.name], options.snapBytes, warn)
      const emulator = new Emulator({
        a: portA, b: portB, pool, ab: options.ab, ba: options.ba, seed: options.seed, capture: capture?.writer ?? null,
        captureEpochUs: Date.now() * 1000 - nowUs(),
      })
      return new Link(emulator, new RealtimeLink(emulator, [portA, portB], options.spinUs, onError), ports, capture)
    } catch (error) {
      for (const port of ports) port.close()
      capture?.close()
      throw error
    }
  }

  counters(): { ab: EmulatorCounters; ba: EmulatorCounters } {
    return this.emulator.counters()
  }

  /** Stops; packets under way are gone. */
  close(): void {
    this.runner.close()
    this.emulator.flush()
    this.capture?.close()
    for (const port of this.ports) port.close()
  }
}
