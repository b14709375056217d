import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PacketPort, type PacketPortOptions } from '../../native/packetport.js'
import { RX_CHECKSUM_PARTIAL, RX_SPLIT, RX_TRUNCATED } from '../../native/port.js'
import { interfaceInfo } from '../../native/interfaces.js'
import { waitReadable } from '../../native/wake.js'
import { awaitCarrier, ip, limitRate, makePair, makeRegions, removeDevice, takeFrames, unlimitRate, whyNoDevices } from './devices.js'
import {
  field16, fillCopy, fillSlot, frameBytes, getRing, HEADERS, headers, MAC_A, MAC_B, pattern, type Payload, pseudoSum, putRing, seqOf,
  tcpSum,
} from './frames.js'

const refused = whyNoDevices()
const A = `tn${process.pid}a`
const B = `tn${process.pid}b`
const { regions, state, app } = makeRegions()
const open = new Set<PacketPort>()

function port(name: string, mac: Uint8Array, more: Partial<PacketPortOptions> = {}): PacketPort {
  const made = PacketPort.open({ interface: name, regions, mac, offload: true, receive: true, ...more })
  open.add(made)
  return made
}

function closeAll(): void {
  for (const each of open) each.close()
  open.clear()
}

/** Sends one frame from slot 0 with `len` bytes of a pattern that wraps in its buffer. */
function send(from: PacketPort, len: number, seq: number, gso = 0): void {
  const payload: Payload = { region: 0, buffer: 65536, bufferLen: 65536, pos: 65536 - (len >> 1) - 1, len }
  putRing(state, payload, pattern(len, seq))
  fillSlot(from, 0, headers(MAC_B, MAC_A, len, seq), payload, gso)
  expect(from.transmit(0, 1)).toBe(1)
}

/** A place for received payload that wraps. */
const target = (len: number, slot = 0): Payload => ({ region: 1, buffer: slot * 131072, bufferLen: 131072, pos: 131072 - (len >> 2) - 3, len })

describe.skipIf(refused !== null)(`packet port${refused === null ? '' : ` (skipped: ${refused})`}`, () => {
  beforeAll(() => makePair(A, B))
  afterAll(() => {
    try {
      closeAll()
    } finally {
      removeDevice(A)
    }
  })

  // A port that only sends has no transmit ring.
  test.each([[true, true], [true, false], [false, true], [false, false]])('odd and even payloads, offload %s, ring %s -> as said', (offload, receive) => {
    const sender = port(A, MAC_A, { offload, receive })
    const receiver = port(B, MAC_B)
    for (const len of [0, 1, 2, 63, 64, 1001, 1446]) {
      send(sender, len, len)
      takeFrames(receiver, 1, (i) => {
        const frame = frameBytes(receiver, i)
        expect(receiver.rxOffset[i] % 4).toBe(2)
        expect(frame.length).toBe(HEADERS + len)
        expect(frame.subarray(HEADERS)).toEqual(pattern(len, len))
        expect(field16(frame, 24)).not.toBe(0)
        expect((receiver.rxFlags[i] & RX_CHECKSUM_PARTIAL) !== 0).toBe(offload)
        expect(receiver.verifyTcp(i)).toBe(true)
        if (offload) expect(field16(frame, 50)).toBe(pseudoSum(frame))
        else expect(tcpSum(frame)).toBe(0xffff)
        fillCopy(receiver, 0, i, HEADERS, target(len))
        receiver.deliver(1)
        expect(getRing(app, target(len))).toEqual(pattern(len, len))
      })
    }
    closeAll()
  })

  test('frames for the transmit ring and longer ones mixed, more than it has slots -> all, in order', () => {
    const sender = port(A, MAC_A)
    const receiver = port(B, MAC_B)
    const lengthOf = (seq: number): number => (seq % 7 === 3 ? 5000 : seq % 5 === 0 ? 0 : 1 + (seq * 37) % 1446)
    for (let first = 0; first < 900; first += 30) {
      for (let i = 0; i < 30; i++) {
        const len = lengthOf(first + i)
        const payload: Payload = { region: 0, buffer: 1 << 18, bufferLen: 1 << 18, pos: i * 5000, len }
        putRing(state, payload, pattern(len, first + i))
        fillSlot(sender, i, headers(MAC_B, MAC_A, len, first + i), payload, len > 1448 ? 1448 : 0)
      }
      expect(sender.transmit(0, 30)).toBe(30)
      takeFrames(receiver, 30, (i, nth) => {
        const seq = first + nth
        expect(seqOf(receiver, i)).toBe(seq)
        if (lengthOf(seq) <= 1448) expect(frameBytes(receiver, i).subarray(HEADERS)).toEqual(pattern(lengthOf(seq), seq))
      })
    }
    closeAll()
  })

  test('queue of the interface is full -> what it took is told, the rest goes later, each once', ({ skip }) => {
    if (!limitRate(A, '10mbit', 3000)) skip('the kernel has no token bucket filter')
    const sender = port(A, MAC_A)
    const receiver = port(B, MAC_B)
    for (let seq = 0; seq < 60; seq++) {
      fillSlot(sender, seq, headers(MAC_B, MAC_A, 100, seq), { region: 0, buffer: 65536, bufferLen: 65536, pos: 0, len: 100 })
    }
    try {
      let sent = sender.transmit(0, 60)
      expect(sent).toBeGreaterThan(0)
      expect(sent).toBeLessThan(60)
      for (let seen = 0; seen < 60;) {
        takeFrames(receiver, 1, (i) => expect(seqOf(receiver, i)).toBe(seen++))
        sent += sender.transmit(sent, 60 - sent)
      }
    } finally {
      unlimitRate(A)
      closeAll()
    }
  })

  test('wrong checksum -> verifyTcp says so', () => {
    const sender = port(A, MAC_A, { offload: false })
    const receiver = port(B, MAC_B)
    const frame = headers(MAC_B, MAC_A, 0, 1)
    expect(sender.sendFrame(frame, frame.length)).toBe(true)
    takeFrames(receiver, 1, (i) => expect(receiver.verifyTcp(i)).toBe(false))
    closeAll()
  })

  test('super-segment of 60,000 bytes -> split, lands in a wrapped buffer, gso kept', () => {
    const sender = port(A, MAC_A)
    const receiver = port(B, MAC_B)
    send(sender, 60_000, 7, 1448)
    takeFrames(receiver, 1, (i) => {
      expect(receiver.rxFlags[i] & (RX_SPLIT | RX_TRUNCATED | RX_CHECKSUM_PARTIAL)).toBe(RX_SPLIT | RX_CHECKSUM_PARTIAL)
      expect(receiver.rxLen[i]).toBe(HEADERS + 60_000)
      expect(receiver.rxGso[i]).toBe(1448)
      expect(seqOf(receiver, i)).toBe(7)
      fillCopy(receiver, 0, i, HEADERS, target(60_000))
      receiver.deliver(1)
    })
    expect(getRing(app, target(60_000))).toEqual(pattern(60_000, 7))
    closeAll()
  })

  test('split and ordinary frames mixed, some never copied -> order kept, later ones not shifted', () => {
    const sender = port(A, MAC_A)
    const receiver = port(B, MAC_B)
    const lengths = [5000, 100, 6000, 20_000, 50, 30_000, 7000, 9000]
    lengths.forEach((len, seq) => send(sender, len, seq, len > 1448 ? 1448 : 0))
    takeFrames(receiver, lengths.length, (i, nth) => {
      expect(seqOf(receiver, i)).toBe(nth)
      if (nth % 3 === 0) return
      fillCopy(receiver, 0, i, HEADERS, target(lengths[nth]))
      receiver.deliver(1)
      expect(getRing(app, target(lengths[nth]))).toEqual(pattern(lengths[nth], nth))
    })
    closeAll()
  })

  test('split frame named by three descriptors out of order -> received once, all parts right', () => {
    const sender = port(A, MAC_A)
    const receiver = port(B, MAC_B)
    send(sender, 30_000, 1, 1448)
    send(sender, 20_000, 2, 1448)
    waitReadable(Int32Array.of(receiver.fd), 1, 10e6)
    const places: number[] = []
    for (let found = receiver.receive(), i = 0; i < found; i++) if (receiver.rxLen[i] > 15_000) places.push(i)
    expect(places.length).toBe(2)
    const parts = [target(10_000, 0), target(20_000, 1), target(20_000, 2)]
    fillCopy(receiver, 0, places[1], HEADERS, parts[1])
    fillCopy(receiver, 1, places[0], HEADERS + 20_000, parts[0])
    fillCopy(receiver, 2, places[0], HEADERS, parts[2])
    receiver.deliver(3)
    receiver.release()
    expect(getRing(app, parts[1])).toEqual(pattern(20_000, 2))
    expect(getRing(app, parts[2])).toEqual(pattern(30_000, 1).subarray(0, 20_000))
    expect(getRing(app, parts[0])).toEqual(pattern(30_000, 1).subarray(20_000))
    closeAll()
  })

  test('filter: frames to another address do not arrive, to groups they do; ours do not come back', () => {
    const sender = port(A, MAC_A)
    const receiver = port(B, MAC_B)
    const frame = headers(Uint8Array.of(2, 2, 2, 2, 2, 2), MAC_A, 0, 1)
    sender.sendFrame(frame, frame.length)
    frame.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    frame[41] = 2
    sender.sendFrame(frame, frame.length)
    takeFrames(receiver, 1, (i) => expect(seqOf(receiver, i)).toBe(2))
    expect(waitReadable(Int32Array.of(sender.fd), 1, 0)).toBe(0)
    closeAll()
  })

  test('ring: many laps -> every frame in order, none lost, place and alignment kept', () => {
    const sender = port(A, MAC_A)
    const receiver = port(B, MAC_B, { ringSlots: 32, burst: 8 })
    for (let seq = 0; seq < 200; seq += 20) {
      for (let i = 0; i < 20; i++) send(sender, (i % 5 === 0 ? 3000 : 10) + i, seq + i, 1448)
      takeFrames(receiver, 20, (i, nth) => {
        expect(seqOf(receiver, i)).toBe(seq + nth)
        expect(receiver.rxOffset[i] % 4).toBe(2)
      })
    }
    expect(receiver.takeDrops()).toBe(0)
    closeAll()
  })

  test('ring full -> the rest is dropped and counted', () => {
    const sender = port(A, MAC_A)
    const receiver = port(B, MAC_B, { ringSlots: 32 })
    for (let seq = 0; seq < 50; seq++) send(sender, 10, seq)
    takeFrames(receiver, 30, (i, nth) => expect(seqOf(receiver, i)).toBe(nth))
    expect(receiver.takeDrops()).toBeGreaterThanOrEqual(18)
    expect(receiver.takeDrops()).toBe(0)
    closeAll()
  })

  test.each([0, 5, 31, 32, 45, 100])('attach behind %d frames -> backlog thrown away, later frames arrive whole', (frames) => {
    const sender = port(A, MAC_A)
    const options = { interface: B, regions, mac: MAC_B, offload: true, receive: true, ringSlots: 32 }
    const first = port(B, MAC_B, options)
    for (let seq = 0; seq < frames; seq++) {
      send(sender, 10, seq)
      takeFrames(first, 1, () => undefined)
    }
    // The predecessor stops in the middle of a burst: frames neither copied nor given back.
    for (let i = 0; i < frames; i++) send(sender, i % 2 === 0 ? 4000 : 10, 1000 + i, 1448)
    first.receive()
    const second = PacketPort.attach({ fd: first.fd, sendFd: -1 }, options)
    for (let seq = 0; seq < 40; seq++) {
      send(sender, 5000, seq, 1448)
      takeFrames(second, 1, (i) => {
        expect(seqOf(second, i)).toBe(seq)
        fillCopy(second, 0, i, HEADERS, target(5000))
        second.deliver(1)
        expect(getRing(app, target(5000))).toEqual(pattern(5000, seq))
      })
    }
    expect(second.position).toBeLessThan(32)
    closeAll()
  })

  test.each([1500, 3000, 9000])('attach with an MTU of %d -> the ring is known by its length, frames arrive whole', (mtu) => {
    for (const name of [A, B]) ip('link', 'set', name, 'mtu', String(mtu))
    const sender = port(A, MAC_A)
    const first = port(B, MAC_B)
    const second = PacketPort.attach({ fd: first.fd, sendFd: -1 }, { interface: B, regions, mac: MAC_B, offload: true, receive: true })
    expect(second.frames.length).toBe(first.frames.length)
    for (const len of [10, mtu - 40]) {
      send(sender, len, len)
      takeFrames(second, 1, (i) => expect(frameBytes(second, i).subarray(HEADERS)).toEqual(pattern(len, len)))
    }
    closeAll()
    for (const name of [A, B]) ip('link', 'set', name, 'mtu', '1500')
  })

  test('interface down and up again -> sending loses frames, nothing throws, waiting does not spin, frames arrive again', () => {
    const sender = port(A, MAC_A)
    const receiver = port(B, MAC_B)
    ip('link', 'set', A, 'down')
    send(sender, 10, 1)
    send(sender, 10, 2)
    const fds = Int32Array.of(sender.fd)
    waitReadable(fds, 1, 0)
    expect(waitReadable(fds, 1, 1000)).toBe(0)
    ip('link', 'set', A, 'up')
    awaitCarrier(A)
    awaitCarrier(B)
    send(sender, 4000, 3, 1448)
    takeFrames(receiver, 1, (i) => {
      fillCopy(receiver, 0, i, HEADERS, target(4000))
      receiver.deliver(1)
      expect(getRing(app, target(4000))).toEqual(pattern(4000, 3))
    })
    closeAll()
  })

  test('port that only sends -> receives nothing, waits quietly', () => {
    const sender = port(A, MAC_A, { receive: false })
    const other = port(B, MAC_B)
    other.sendFrame(headers(MAC_A, MAC_B, 0, 1), HEADERS)
    expect(waitReadable(Int32Array.of(sender.fd), 1, 1000)).toBe(0)
    expect(sender.receive()).toBe(0)
    sender.release()
    expect(sender.takeDrops()).toBe(0)
    closeAll()
  })

  test('closed -> memory detached, calls throw, closing twice is harmless', () => {
    const made = port(A, MAC_A)
    made.close()
    made.close()
    expect(made.fd).toBe(-1)
    expect(made.frames.length).toBe(0)
    expect(made.receive()).toBe(0)
    expect(() => made.transmit(0, 1)).toThrow(expect.objectContaining({ code: 'EBADF' }))
    open.delete(made)
  })

  test('open: no such interface -> ENODEV with its name; ring of a strange size -> RangeError; no ring -> RangeError', () => {
    expect(() => port('tn-none', MAC_A)).toThrow(expect.objectContaining({ code: 'ENODEV', message: expect.stringContaining('tn-none') }))
    expect(() => port(A, MAC_A, { ringSlots: 100 })).toThrow(RangeError)
    expect(() => port(A, new Uint8Array(5))).toThrow(TypeError)
    const sender = port(A, MAC_A, { receive: false })
    expect(() => PacketPort.attach({ fd: sender.fd, sendFd: -1 }, { interface: A, regions, mac: MAC_A, offload: true, receive: true })).toThrow(RangeError)
    closeAll()
  })

  test('interfaceInfo: what ip shows', () => {
    const info = interfaceInfo(A)
    expect(info).toMatchObject({ mtu: 1500, up: true })
    expect(info.mac.length).toBe(6)
    expect(info.index).toBeGreaterThan(0)
  })
})
