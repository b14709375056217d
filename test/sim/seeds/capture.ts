/** Writes the frames of a run to a pcapng file. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { fateText, PCAPNG_OUTBOUND, PcapngWriter } from '../../../tools/linkem/index.js'
import type { NetworkHost } from '../network.js'
import type { World } from './world.js'

const SNAP_BYTES = 65_535

export class Capture {
  private readonly fd: number
  private writer: PcapngWriter | null = null

  /** Throws what the file system throws. */
  constructor(path: string) {
    this.fd = openSync(path, 'w')
  }

  /** Every frame that a host sends, with what the link makes of it, in virtual time. */
  observe(world: World): void {
    const names = world.hosts.map((_, index) => `host${index}`)
    const writer = new PcapngWriter(names, SNAP_BYTES, (bytes) => void writeSync(this.fd, bytes), 'tasjs simulation')
    const indexes = new Map<NetworkHost, number>(world.hosts.map(({ host }, index) => [host, index]))
    this.writer = writer
    world.net.onFrame = (host, frame, fate) => {
      writer.beginPacket(indexes.get(host) ?? 0, world.nowUs, frame, frame.length)
      writer.endPacket(PCAPNG_OUTBOUND, fateText(fate))
    }
  }

  close(): void {
    this.writer?.flush()
    closeSync(this.fd)
  }
}
