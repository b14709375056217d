/** Ports in a VLAN (IEEE 802.1Q): all that is sent carries its tag, what comes without is marked as not ours. */
import { afterEach, describe, expect, test } from 'vitest'
import { PacketPort } from '../../native/packetport.js'
import { type Port, RX_CHECKSUM_PARTIAL, RX_SPLIT, RX_VLAN } from '../../native/port.js'
import { TapPort } from '../../native/tapport.js'
import { ip, makePair, makeRegions, removeDevice, takeFrames, whyNoDevices } from './devices.js'
import { field16, fillCopy, fillSlot, frameBytes, getRing, HEADERS, headers, MAC_A, MAC_B, pattern, type Payload, pseudoSum, putRing, tcpSum } from './frames.js'

const refused = whyNoDevices()
const A = `tn${process.pid}c`
const B = `tn${process.pid}d`
const TAP = `tn${process.pid}v`
const { regions, state, app } = makeRegions()
const open: { close(): void }[] = []

function whyNoTap(): string | null {
  if (refused !== null) return refused
  try {
    TapPort.open({ name: TAP, regions, offload: false }).close()
    return null
  } catch (error) {
    return `no TAP: ${error instanceof Error ? error.message : String(error)}`
  }
}

const noTap = whyNoTap()

function packetPort(name: string, mac: Uint8Array, vlan: number, offload = true): PacketPort {
  const port = PacketPort.open({ interface: name, regions, mac, offload, receive: true, vlan })
  open.push(port)
  return port
}

function tapPort(vlan: number, offload: boolean): TapPort {
  const port = TapPort.open({ name: TAP, regions, offload, hostMac: MAC_B, vlan })
  open.push(port)
  ip('link', 'set', TAP, 'addrgenmode', 'none')
  return port
}

function send(from: Port, to: Uint8Array, len: number, gso = 0): void {
  const payload: Payload = { region: 0, buffer: 65536, bufferLen: 65536, pos: 65536 - (len >> 1) - 1, len }
  putRing(state, payload, pattern(len, len))
  fillSlot(from, 3, headers(to, to === MAC_A ? MAC_B : MAC_A, len, len), payload, gso)
  expect(from.transmit(3, 1)).toBe(1)
}

/** What the next frame of ours is: its payload, and whether it is of another VLAN. */
function next(port: Port, offload: boolean): { payload: Uint8Array; isForeign: boolean } {
  let found = { payload: new Uint8Array(0), isForeign: false }
  takeFrames(port, 1, (i) => {
    const frame = frameBytes(port, i)
    expect([port.rxOffset[i] % 4, field16(frame, 12)]).toEqual([2, 0x0800])
    if (offload) expect(field16(frame, 50)).toBe(pseudoSum(frame))
    else expect(tcpSum(frame)).toBe(0xffff)
    found = { payload: frame.slice(HEADERS), isForeign: (port.rxFlags[i] & RX_VLAN) !== 0 }
  })
  return found
}

afterEach(() => {
  for (const port of open.splice(0).reverse()) port.close()
  removeDevice(A)
})

describe.skipIf(refused !== null)(`packet port in a VLAN${refused === null ? '' : ` (skipped: ${refused})`}`, () => {
  test.each([true, false])('offload %s: the same VLAN -> ours; others, none, and without a VLAN -> not', (offload) => {
    makePair(A, B)
    const [five, none] = [packetPort(A, MAC_A, 5, offload), packetPort(A, MAC_A, 0, offload)]
    const receivers = [5, 6, 0].map((vlan) => packetPort(B, MAC_B, vlan))
    for (const [sender, foreign] of [[five, [false, true, true]], [none, [true, true, false]]] as const) {
      for (const len of [0, 1, 1446]) {
        send(sender, MAC_B, len)
        expect(receivers.map((port) => next(port, offload))).toEqual(foreign.map((isForeign) => ({ payload: pattern(len, len), isForeign })))
      }
    }
  })

  test('priority tag (VLAN 0) -> as untagged', () => {
    makePair(A, B)
    const sender = packetPort(A, MAC_A, 0)
    const receivers = [0, 5].map((vlan) => packetPort(B, MAC_B, vlan))
    const plain = headers(MAC_B, MAC_A, 0, 1)
    const tagged = Uint8Array.of(...plain.subarray(0, 12), 0x81, 0, 0xa0, 0, ...plain.subarray(12))
    expect(sender.sendFrame(tagged, tagged.length)).toBe(true)
    const flags: number[] = []
    for (const port of receivers) takeFrames(port, 1, (i) => flags.push(port.rxFlags[i] & RX_VLAN))
    expect(flags).toEqual([0, RX_VLAN])
  })

  test('super-segment -> one, the tag taken off', () => {
    makePair(A, B)
    const sender = packetPort(A, MAC_A, 5)
    const receiver = packetPort(B, MAC_B, 5)
    send(sender, MAC_B, 60_000, 1448)
    const target = { region: 1, buffer: 0, bufferLen: 131072, pos: 131072 - 777, len: 60_000 }
    takeFrames(receiver, 1, (i) => {
      expect(receiver.rxFlags[i] & (RX_VLAN | RX_SPLIT | RX_CHECKSUM_PARTIAL)).toBe(RX_SPLIT | RX_CHECKSUM_PARTIAL)
      expect(receiver.rxGso[i]).toBe(1448)
      fillCopy(receiver, 0, i, HEADERS, target)
      receiver.deliver(1)
    })
    expect(getRing(app, target)).toEqual(pattern(60_000, 60_000))
  })

  test('sendFrame -> tagged as well; a port that has to send a slot again -> the same frame', () => {
    makePair(A, B)
    const sender = packetPort(A, MAC_A, 5, false)
    const receiver = packetPort(B, MAC_B, 5)
    send(sender, MAC_B, 100)
    const first = next(receiver, false)
    expect(sender.transmit(3, 1)).toBe(1)
    expect(next(receiver, false)).toEqual(first)
    const frame = Uint8Array.of(...headers(MAC_B, MAC_A, 6, 1), 1, 2, 3, 4, 5, 6)
    expect(sender.sendFrame(frame, frame.length)).toBe(true)
    takeFrames(receiver, 1, (i) => {
      expect([receiver.rxFlags[i] & RX_VLAN, frameBytes(receiver, i)]).toEqual([0, frame])
    })
  })
})

describe.skipIf(noTap !== null)(`TAP port in a VLAN${noTap === null ? '' : ` (skipped: ${noTap})`}`, () => {
  test.each([true, false])('offload %s: to and from the host with its tag -> ours; with another, or none -> not', (offload) => {
    const tap = tapPort(5, offload)
    const hosts = [5, 6, 0].map((vlan) => packetPort(TAP, MAC_B, vlan))
    send(tap, MAC_B, 999)
    expect(hosts.map((port) => next(port, offload).isForeign)).toEqual([false, true, true])
    send(hosts[0], MAC_A, 999)
    expect(next(tap, offload)).toEqual({ payload: pattern(999, 999), isForeign: false })
    // The tag of another VLAN stays in the frame.
    for (const host of hosts.slice(1)) send(host, MAC_A, 10)
    takeFrames(tap, 1, (i) => { expect(tap.rxFlags[i] & RX_VLAN).toBe(RX_VLAN) })
    send(hosts[0], MAC_A, 10)
    expect(next(tap, offload).isForeign).toBe(false)
  })
})
