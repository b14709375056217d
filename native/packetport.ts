/**
 * The AF_PACKET port. Frames arrive in a ring of slots that kernel and process share, so looking for them is a
 * plain load; frames longer than a slot wait whole in the socket's queue and are marked RX_SPLIT.
 *
 *   slot:  0                          72           82              96
 *          | status, len, ... , lap   | virtio(10) | Ethernet (14) | IPv4 ...
 */
import { addon, type BurstOptions, type PacketHandle } from './addon.js'
import { refuseClosed } from './closed.js'
import { interfaceInfo } from './interfaces.js'
import { closeFd, type Regions, unmapRegion } from './memory.js'
import { type Port, RX_CHECKSUM_GOOD, RX_CHECKSUM_PARTIAL, RX_SPLIT, RX_TRUNCATED, RX_VLAN } from './port.js'
import { PortArrays } from './portarrays.js'
import { findPlace } from './packetplace.js'

/** Words of struct tpacket2_hdr. */
const STATUS = 0
const LEN = 1
const SNAPLEN = 2
/** The Ethernet header's offset in the slot, in the low 16 bits. */
const MAC_OFFSET = 3
/** The 802.1Q tag, in the low 16 bits, and the part of it that names the VLAN. */
const VLAN_TCI = 6
const VLAN_ID_BITS = 0xfff

const TP_STATUS_USER = 1 << 0
const TP_STATUS_COPY = 1 << 1
const TP_STATUS_CSUMNOTREADY = 1 << 3
const TP_STATUS_VLAN_VALID = 1 << 4
const TP_STATUS_CSUM_VALID = 1 << 7

const VIRTIO_LEN = 10
const VIRTIO_NEEDS_CSUM = 1
const VIRTIO_DATA_VALID = 2
const FRAME_MAX = 65535 + 14

/**
 * Bytes of a slot, and how many there are unless the caller says otherwise. No two rings are equally long: `attach` knows one by its length. A request
 * of each of 10,000 connections fits where the MTU is that of Ethernet (docs/decisions/0005).
 */
const RINGS = [{ slotBytes: 2048, slots: 16_384 }, { slotBytes: 4096, slots: 4096 }, { slotBytes: 16_384, slots: 4096 }] as const
/** Bytes of a slot before the Ethernet header. */
const SLOT_HEADERS = 82

export interface PacketPortOptions {
  /** Name of the interface. */
  readonly interface: string
  readonly regions: Regions
  /** Address whose frames are received, beside those to groups. */
  readonly mac: Uint8Array
  readonly offload: boolean
  /** VLAN whose tag frames carry and of which only frames are ours, 1 to 4094; 0, or left out: none. */
  readonly vlan?: number
  /** False for a port that only sends. */
  readonly receive: boolean
  readonly txSlots?: number
  /** Frames that the receive ring holds, a power of two from 32; 16,384, or 4,096 if frames are longer than Ethernet's. */
  readonly ringSlots?: number
  readonly burst?: number
}

/** The sockets of a port that receives: for its receive ring and what is sent beside the transmit ring, and for that ring. */
export interface PacketSockets {
  readonly fd: number
  readonly sendFd: number
}

const closedHandle: PacketHandle = {
  deliver: refuseClosed, release: refuseClosed, transmit: refuseClosed, sendFrame: refuseClosed, verifyTcp: refuseClosed, takeDrops: refuseClosed,
}

interface RingShape {
  readonly slotBytes: number
  readonly slots: number
}

/** A ring with slots of `slotBytes`. Throws RangeError for a number of slots that cannot be. */
function ringOf({ slotBytes, slots }: RingShape, { ringSlots: wanted = slots }: Pick<PacketPortOptions, 'ringSlots'>): RingShape {
  if (!Number.isInteger(wanted) || wanted < 32 || wanted > 65536 || (wanted & (wanted - 1)) !== 0) {
    throw new RangeError(`ringSlots ${wanted}: a power of two from 32 to 65536`)
  }
  return { slotBytes, slots: wanted }
}

/** A frame of the interface's MTU fits into a slot, unless that is so large that the queue is better. */
function ringFor(mtu: number, options: Pick<PacketPortOptions, 'ringSlots'>): RingShape {
  return ringOf(RINGS.find(({ slotBytes }) => slotBytes >= mtu + 18 + SLOT_HEADERS) ?? RINGS[RINGS.length - 1], options)
}

const NO_SOCKETS: PacketSockets = { fd: -1, sendFd: -1 }

/** Opens the sockets of a port on an interface; one that only sends has no `sendFd`. Throws as PacketPort.open. */
export function openPacketSockets(options: Omit<PacketPortOptions, 'regions'>): PacketSockets {
  const { interface: name, mac, receive } = options
  const { slots, slotBytes } = ringFor(interfaceInfo(name).mtu, options)
  const fd = addon().packetOpen(name, mac, receive, slots, slotBytes)
  if (!receive) return { fd, sendFd: -1 }
  try {
    return { fd, sendFd: addon().packetOpen(name, mac, false, 0, 0) }
  } catch (error) {
    closeFd(fd)
    throw error
  }
}

/** Closes what openPacketSockets has opened. */
export function closeSockets({ fd, sendFd }: PacketSockets): void {
  closeFd(fd)
  if (sendFd >= 0) closeFd(sendFd)
}

/** Maps the ring of a socket that was set up elsewhere; the kernel tells its length only by refusing every other one. */
function mapRing(fd: number, options: Pick<PacketPortOptions, 'ringSlots'>): RingShape & { readonly memory: ArrayBuffer } {
  for (const shape of RINGS.map((each) => ringOf(each, options))) {
    const memory = addon().packetMap(fd, shape.slots * shape.slotBytes)
    if (memory !== null) return { ...shape, memory }
  }
  throw new RangeError(`fd ${fd} has no receive ring of the length of ours`)
}

/** In the place of the ring of a port that only sends. */
function noRing(): RingShape & { readonly memory: ArrayBuffer } {
  return { slotBytes: 0, slots: 1, memory: new ArrayBuffer(64) }
}

export class PacketPort extends PortArrays implements Port {
  readonly mtu: number
  readonly offload: boolean
  readonly frames: Uint8Array
  readonly frameWords: Int32Array
  private sockets: PacketSockets
  private readonly ring: ArrayBuffer | null
  private hot: PacketHandle
  private readonly slotWords: number
  private readonly slots: number
  private readonly vlan: number
  private slot = 0
  private lap = 1
  /** Frames of the last `receive`, and whether any is RX_SPLIT. */
  private received = 0
  private split = 0

  private constructor(sockets: PacketSockets, options: PacketPortOptions) {
    super(options.burst, options.txSlots)
    this.mtu = interfaceInfo(options.interface).mtu
    this.offload = options.offload
    this.vlan = options.vlan ?? 0
    this.sockets = sockets
    const { slots, slotBytes, memory } = options.receive ? mapRing(sockets.fd, options) : noRing()
    this.ring = options.receive ? memory : null
    this.frames = new Uint8Array(memory)
    this.frameWords = new Int32Array(memory)
    this.slots = slots
    this.slotWords = slotBytes / 4
    const burst: BurstOptions = { ...this.shared, regions: options.regions.handle, frames: this.frames, offload: options.offload, vlan: this.vlan }
    this.hot = addon().packetPort(sockets.fd, sockets.sendFd, { ...burst, slots, slotBytes })
  }

  /** Opens a port on an interface. Throws ENODEV, EPERM (needs CAP_NET_RAW), RangeError. */
  static open(options: PacketPortOptions): PacketPort {
    const sockets = openPacketSockets(options)
    try {
      return new PacketPort(sockets, options)
    } catch (error) {
      closeSockets(sockets)
      throw error
    }
  }

  /**
   * Takes over sockets that `openPacketSockets` has set up, here or in another process, with the same options. Finds the place in the receive
   * ring where the process before stopped; frames that it had not released are thrown away.
   */
  static attach(sockets: PacketSockets, options: PacketPortOptions): PacketPort {
    const port = new PacketPort(sockets, options)
    if (port.ring !== null) port.takeOver(options.mac)
    return port
  }

  private takeOver(mac: Uint8Array): void {
    addon().packetFilter(this.fd, null)
    const place = findPlace(this.frameWords, this.slots, this.slotWords)
    this.slot = place.slot
    this.lap = place.lap
    // The slot before may be marked and yet not given back, if the process died between the two.
    const before = (place.slot - 1) & (this.slots - 1)
    addon().packetDrain(this.fd)
    for (let count = this.frameRun(); count > 0; count = this.frameRun()) this.pass(count, 0)
    Atomics.store(this.frameWords, before * this.slotWords + STATUS, 0)
    addon().packetDrain(this.fd)
    addon().packetFilter(this.fd, mac)
  }

  /** Slots with frames from here on, at most a burst of them. */
  private frameRun(): number {
    let count = 0
    while (count < this.burst) {
      const at = ((this.slot + count) & (this.slots - 1)) * this.slotWords
      if ((Atomics.load(this.frameWords, at + STATUS) & TP_STATUS_USER) === 0) break
      count++
    }
    return count
  }

  get fd(): number {
    return this.sockets.fd
  }

  /** The slot of the ring that comes next. Kept in the ring itself too: `attach` finds it there. */
  get position(): number {
    return this.slot
  }

  /** An empty ring costs one plain load, no call: 3.6 ns. */
  receive(): number {
    const words = this.frameWords
    let slot = this.slot
    let count = 0
    this.split = 0
    while (count < this.burst) {
      const at = slot * this.slotWords
      if ((words[at] & TP_STATUS_USER) === 0) break
      // Confirmed with Atomics, which orders the reads of the frame behind it.
      this.describe(count, at, Atomics.load(words, at))
      slot = (slot + 1) & (this.slots - 1)
      count++
    }
    this.received = count
    return count
  }

  private describe(index: number, at: number, status: number): void {
    const words = this.frameWords
    const mac = words[at + MAC_OFFSET] & 0xffff
    const virtio = at + ((mac - VIRTIO_LEN) >> 2)
    const head = words[virtio]
    const len = words[at + LEN]
    let flags = 0
    if ((status & TP_STATUS_CSUMNOTREADY) !== 0 || (head & VIRTIO_NEEDS_CSUM) !== 0) flags = RX_CHECKSUM_PARTIAL
    else if ((status & TP_STATUS_CSUM_VALID) !== 0 || (head & VIRTIO_DATA_VALID) !== 0) flags = RX_CHECKSUM_GOOD
    // No tag, or VLAN 0, which is a priority and no VLAN (IEEE 802.1Q, 6.9), are both 0 here.
    if (((status & TP_STATUS_VLAN_VALID) === 0 ? 0 : words[at + VLAN_TCI] & VLAN_ID_BITS) !== this.vlan) flags |= RX_VLAN
    if ((status & TP_STATUS_COPY) !== 0) {
      flags |= len > FRAME_MAX ? RX_SPLIT | RX_TRUNCATED : RX_SPLIT
      this.split = 1
    } else if (words[at + SNAPLEN] < len) flags |= RX_TRUNCATED
    this.rxOffset[index] = (at << 2) + mac
    this.rxLen[index] = len
    this.rxFlags[index] = flags
    this.rxGso[index] = (head & 0xff00) !== 0 ? words[virtio + 1] & 0xffff : 0
  }

  /** A frame that is RX_SPLIT may be named by any number of descriptors in one call, but not in two calls. */
  deliver(count: number): void {
    this.hot.deliver(count, this.received, this.split)
  }

  release(): void {
    if (this.received > 0) this.pass(this.received, this.split)
    this.received = 0
  }

  private pass(count: number, split: number): void {
    const { slot, lap } = this
    this.slot = (slot + count) & (this.slots - 1)
    if (this.slot < slot) this.lap = (lap + 1) | 0
    this.hot.release(slot, count, lap, split)
  }

  verifyTcp(index: number): boolean {
    return this.hot.verifyTcp(index)
  }

  transmit(first: number, count: number): number {
    return this.hot.transmit(first, count)
  }

  sendFrame(frame: Uint8Array, len: number): boolean {
    return this.hot.sendFrame(frame, len)
  }

  takeDrops(): number {
    return this.hot.takeDrops()
  }

  /** Closes the sockets and unmaps the receive ring. */
  close(): void {
    if (this.sockets.fd < 0) return
    this.hot = closedHandle
    this.received = 0
    closeSockets(this.sockets)
    this.sockets = NO_SOCKETS
    if (this.ring !== null) unmapRegion(this.ring)
  }
}
