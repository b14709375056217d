import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { LinkPort, type LinkPortOptions } from '../../native/linkport.js'
import { PacketPort } from '../../native/packetport.js'
import { nowUs, waitReadable } from '../../native/wake.js'
import { tapRefused } from '../../tools/netlab/namespaces.js'
import { ip, makePair, makeRegions, removeDevice, whyNoDevices } from './devices.js'
import { field16, fillSlot, HEADERS, headers, MAC_A, MAC_B, pattern, putRing, tcpSum } from './frames.js'

const refused = whyNoDevices()
const noTap = refused ?? await tapRefused()
const A = `tl${process.pid}a`
const B = `tl${process.pid}b`
const TAP = `tl${process.pid}t`
const SLOT_BYTES = 2048
const SLOTS = 128
const { regions, state } = makeRegions()
const frames = new Uint8Array(new ArrayBuffer(SLOTS * SLOT_BYTES))
const open = new Set<{ close(): void }>()

function link(name: string, more: Partial<LinkPortOptions> = {}): LinkPort {
  const port = LinkPort.open({ kind: 'af_packet', name, frames, slotBytes: SLOT_BYTES, burst: SLOTS, ...more })
  port.rxSlots.forEach((_, i) => { port.rxSlots[i] = i })
  open.add(port)
  return port
}

function sender(name: string, offload = true): PacketPort {
  const port = PacketPort.open({ interface: name, regions, mac: MAC_A, offload, receive: false })
  open.add(port)
  return port
}

interface Seen { readonly bytes: Uint8Array; readonly stampUs: number }

const isOurs = (bytes: Uint8Array): boolean => bytes[6] === MAC_A[0] && bytes[7] === MAC_A[1]

/** Waits for `count` frames of ours. */
function take(port: LinkPort, count: number): Seen[] {
  const seen: Seen[] = []
  while (seen.length < count) {
    const got = port.receive(SLOTS)
    for (let i = 0; i < got; i++) {
      const bytes = frames.slice(i * SLOT_BYTES, i * SLOT_BYTES + port.rxLens[i])
      if (isOurs(bytes)) seen.push({ bytes, stampUs: port.rxStampsUs[i] })
    }
    if (got === 0 && waitReadable(Int32Array.of(port.fd), 1, 10e6) === 0) throw new Error(`only ${seen.length} of ${count} frames came`)
  }
  return seen
}

function send(port: PacketPort, len: number, seq: number, gso = 0, change: (head: Uint8Array) => void = () => undefined): void {
  const payload = { region: 0, buffer: 65536, bufferLen: 65536, pos: 0, len }
  putRing(state, payload, pattern(len, seq))
  const head = headers(MAC_B, MAC_A, len, seq)
  change(head)
  fillSlot(port, 0, head, payload, gso)
  expect(port.transmit(0, 1)).toBe(1)
}

/** Chooses the window so that a packet of these headers with this payload has the checksum 0. */
function zeroChecksum(head: Uint8Array, payload: Uint8Array): void {
  const view = new DataView(head.buffer)
  const frame = new Uint8Array([...head, ...payload])
  new DataView(frame.buffer).setUint16(16, frame.length - 14)
  view.setUint16(48, (field16(head, 48) + 0xffff - tcpSum(frame)) % 0xffff)
}

function put(slot: number, bytes: Uint8Array): number {
  frames.set(bytes, slot * SLOT_BYTES)
  return bytes.length
}

describe.skipIf(refused !== null)(`link port${refused === null ? '' : ` (skipped: ${refused})`}`, () => {
  beforeAll(() => makePair(A, B))
  afterAll(() => removeDevice(A))
  afterEach(() => {
    for (const port of open) port.close()
    open.clear()
  })

  test.each([0, 1, 63, 1446])('frame with partial checksum and %i bytes -> full checksum', (len) => {
    const to = link(B)
    send(sender(A), len, 5)
    const [{ bytes }] = take(to, 1)
    expect(bytes.subarray(HEADERS)).toEqual(pattern(len, 5))
    expect(tcpSum(bytes)).toBe(0xffff)
  })

  test.each([[60_000, 1448], [1449, 1448], [65_000, 536], [2896, 1448]])('super-segment of %i bytes in parts of %i -> packets as on a wire', (len, gso) => {
    const to = link(B)
    // PSH and FIN belong to the last packet, CWR to the first (RFC 3168, 6.1.2).
    send(sender(A), len, 1000, gso, (head) => { head[47] = 0x99 })
    const count = Math.ceil(len / gso)
    const seen = take(to, count)
    const ids = new Set(seen.map(({ bytes }) => field16(bytes, 18)))
    expect(ids.size).toBe(count)
    seen.forEach(({ bytes }, i) => {
      const part = Math.min(gso, len - i * gso)
      expect(bytes.length).toBe(HEADERS + part)
      expect(field16(bytes, 16)).toBe(40 + part)
      expect(new DataView(bytes.buffer).getUint32(38)).toBe(1000 + i * gso)
      expect(bytes[47]).toBe(0x10 | (i === 0 ? 0x80 : 0) | (i === count - 1 ? 0x09 : 0))
      expect(tcpSum(bytes)).toBe(0xffff)
      expect(bytes.subarray(HEADERS)).toEqual(pattern(len, 1000).subarray(i * gso, i * gso + part))
    })
  })

  test.each([['partial checksum', 0, 100], ['super-segment', 100, 150]])('%s that comes to 0 -> 0, not 0xffff (RFC 1624)', (_, gso, len) => {
    const to = link(B)
    send(sender(A), len, 5, gso, head => zeroChecksum(head, pattern(len, 5).subarray(0, 100)))
    const [{ bytes }] = take(to, 1)
    expect(field16(bytes, 50)).toBe(0)
    expect(tcpSum(bytes)).toBe(0xffff)
  })

  test('more packets in a super-segment than slots -> the rest with the next call', () => {
    const to = link(B)
    send(sender(A), 60_000, 1, 1000)
    const first = waitReadable(Int32Array.of(to.fd), 1, 10e6) === 1 ? to.receive(7) : 0
    expect(first).toBeLessThanOrEqual(7)
    take(to, 60 - first)
  })

  test('time of arrival -> between sending and now', () => {
    const to = link(B)
    const from = sender(A)
    send(from, 1, 1)
    take(to, 1)
    const before = nowUs()
    send(from, 10, 1)
    const [{ stampUs }] = take(to, 1)
    expect(stampUs).toBeGreaterThan(before - 1000)
    expect(stampUs).toBeLessThanOrEqual(nowUs())
  })

  test('802.1Q tag -> in the frame, checksum behind it completed', () => {
    const to = link(B)
    const from = link(A)
    const plain = headers(MAC_B, MAC_A, 0, 1)
    const tagged = new Uint8Array(HEADERS + 4)
    tagged.set(plain.subarray(0, 12))
    tagged.set([0x81, 0, 0xa0, 7], 12)
    tagged.set(plain.subarray(12), 16)
    from.txSlots[0] = 100
    from.txLens[0] = put(100, tagged)
    expect(from.send(1)).toBe(1)
    expect(take(to, 1)[0].bytes).toEqual(tagged)
  })

  test('many frames sent -> the same bytes, in order, for whomever they are', () => {
    const to = link(B)
    const from = link(A)
    const sent = Array.from({ length: 100 }, (_, i) => {
      const frame = new Uint8Array(60 + i * 14)
      frame.set(headers(Uint8Array.of(2, 1, 1, 1, 1, i), MAC_A, frame.length - HEADERS, i))
      frame.set(pattern(frame.length - HEADERS, i), HEADERS)
      return frame
    })
    sent.forEach((frame, i) => {
      from.txSlots[i] = i
      from.txLens[i] = put(i, frame)
    })
    expect(from.send(100)).toBe(100)
    expect(take(to, 100).map(({ bytes }) => bytes)).toEqual(sent)
  })

  test('longer than a slot -> counted, the next one comes', () => {
    const to = link(B, { slotBytes: 256 })
    const from = sender(A)
    send(from, 1000, 1)
    send(from, 10, 2)
    const got: number[] = []
    while (got.length === 0) {
      waitReadable(Int32Array.of(to.fd), 1, 10e6)
      const count = to.receive(4)
      for (let i = 0; i < count; i++) if (isOurs(frames.subarray(i * 256))) got.push(to.rxLens[i])
    }
    expect(got).toEqual([HEADERS + 10])
    expect(to.faults.tooLong).toBe(1)
  })

  test('slots, lengths and counts that do not exist -> RangeError', () => {
    const port = link(A)
    port.txLens[0] = 60
    for (const slot of [-1, SLOTS, 2 ** 30]) {
      port.txSlots[0] = slot
      expect(() => port.send(1)).toThrow(RangeError)
    }
    port.txSlots[0] = 0
    for (const len of [-1, 13, SLOT_BYTES + 1]) {
      port.txLens[0] = len
      expect(() => port.send(1)).toThrow(RangeError)
    }
    expect(() => port.send(SLOTS + 1)).toThrow(RangeError)
    expect(() => port.receive(-1)).toThrow(RangeError)
    const other = link(B)
    other.rxSlots[0] = SLOTS
    send(sender(A), 1, 1)
    waitReadable(Int32Array.of(other.fd), 1, 10e6)
    expect(() => other.receive(1)).toThrow(RangeError)
  })

  test('longer than the MTU of the way out -> lost, counted', () => {
    const port = link(A)
    port.txSlots[0] = 0
    port.txLens[0] = put(0, new Uint8Array(2000).fill(1))
    expect(port.send(1)).toBe(1)
    expect(port.faults.sendLost).toBe(1)
  })

  test('no such interface -> ENODEV; closed -> EBADF', () => {
    expect(() => link('tl-nowhere')).toThrow(/ENODEV/)
    const port = link(A)
    port.close()
    port.close()
    expect(() => port.receive(1)).toThrow(/EBADF/)
  })

  test.skipIf(noTap !== null)(`TAP device${noTap === null ? '' : ` (skipped: ${noTap})`} -> frames both ways`, () => {
    const tap = link(TAP, { kind: 'tap' })
    ip('link', 'set', TAP, 'addrgenmode', 'none')
    send(sender(TAP), 3000, 1, 1000)
    for (const { bytes } of take(tap, 3)) expect([bytes.length, tcpSum(bytes)]).toEqual([HEADERS + 1000, 0xffff])
    const other = link(TAP)
    const frame = headers(MAC_B, MAC_A, 0, 9)
    tap.txSlots[0] = 100
    tap.txLens[0] = put(100, frame)
    expect(tap.send(1)).toBe(1)
    expect(take(other, 1)[0].bytes).toEqual(frame)
  })
})
