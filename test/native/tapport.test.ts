import { afterEach, describe, expect, test } from 'vitest'
import { interfaceInfo } from '../../native/interfaces.js'
import { PacketPort } from '../../native/packetport.js'
import { RX_CHECKSUM_PARTIAL, RX_SPLIT, TX_SLOT_VIRTIO } from '../../native/port.js'
import { TapPort } from '../../native/tapport.js'
import { waitReadable } from '../../native/wake.js'
import { ip, makeRegions, takeFrames, whyNoDevices } from './devices.js'
import {
  field16, fillCopy, fillSlot, frameBytes, getRing, HEADERS, headers, MAC_A, MAC_B, pattern, type Payload, pseudoSum, putRing, seqOf,
  tcpSum,
} from './frames.js'

const { regions, state, app } = makeRegions()
const NAME = `tn${process.pid}t`
const TCP_CWR = 0x80
/** gso_type of a virtio_net_hdr. */
const VIRTIO_GSO_TCPV4 = 1
const VIRTIO_GSO_ECN = 0x80
const open: { close(): void }[] = []

function whyNoTap(): string | null {
  const devices = whyNoDevices()
  if (devices !== null) return devices
  try {
    TapPort.open({ name: NAME, regions, offload: false }).close()
    return null
  } catch (error) {
    return `no TAP: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** The TAP port (as MAC_A) and a packet port on the host's side of the device (as MAC_B). */
function bothSides(offload: boolean, burst = 32): { tap: TapPort; host: PacketPort } {
  const tap = TapPort.open({ name: NAME, regions, offload, hostMac: MAC_B, burst })
  open.push(tap)
  ip('link', 'set', NAME, 'addrgenmode', 'none')
  const host = PacketPort.open({ interface: NAME, regions, mac: MAC_B, offload: true, receive: true })
  open.push(host)
  return { tap, host }
}

function send(from: TapPort | PacketPort, to: Uint8Array, len: number, seq: number, gso = 0): void {
  const payload: Payload = { region: 0, buffer: 65536, bufferLen: 65536, pos: 65536 - (len >> 1) - 1, len }
  putRing(state, payload, pattern(len, seq))
  fillSlot(from, 5, headers(to, to === MAC_A ? MAC_B : MAC_A, len, seq), payload, gso)
  expect(from.transmit(5, 1)).toBe(1)
}

const target = (len: number): Payload => ({ region: 1, buffer: 131072, bufferLen: 131072, pos: 131072 - (len >> 2) - 3, len })

const refused = whyNoTap()

describe.skipIf(refused !== null)(`TAP port${refused === null ? '' : ` (skipped: ${refused})`}`, () => {
  afterEach(() => { for (const port of open.splice(0).reverse()) port.close() })

  test('opened -> the host has the device, up, with its address; closed -> gone', () => {
    const { tap } = bothSides(true)
    expect(interfaceInfo(NAME)).toMatchObject({ mac: MAC_B, mtu: 1500, up: true })
    expect(tap.mtu).toBe(1500)
    expect(() => TapPort.open({ name: NAME, regions, offload: true })).toThrow(expect.objectContaining({ code: 'EBUSY' }))
    for (const port of open.splice(0)) port.close()
    expect(() => interfaceInfo(NAME)).toThrow(expect.objectContaining({ code: 'ENODEV' }))
    expect(() => tap.transmit(0, 1)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  test.each([true, false])('to the host, offload %s -> same bytes, checksum as said', (offload) => {
    const { tap, host } = bothSides(offload)
    for (const len of [0, 1, 999, 1446]) {
      send(tap, MAC_B, len, len)
      takeFrames(host, 1, (i) => {
        const frame = frameBytes(host, i)
        expect(frame.subarray(HEADERS)).toEqual(pattern(len, len))
        if (offload) expect(field16(frame, 50)).toBe(pseudoSum(frame))
        else expect(tcpSum(frame)).toBe(0xffff)
      })
    }
  })

  test('super-segment to the host -> one frame', () => {
    const { tap, host } = bothSides(true)
    send(tap, MAC_B, 60_000, 3, 1448)
    takeFrames(host, 1, (i) => {
      expect(host.rxFlags[i] & (RX_SPLIT | RX_CHECKSUM_PARTIAL)).toBe(RX_SPLIT | RX_CHECKSUM_PARTIAL)
      expect(host.rxGso[i]).toBe(1448)
      fillCopy(host, 0, i, HEADERS, target(60_000))
      host.deliver(1)
    })
    expect(getRing(app, target(60_000))).toEqual(pattern(60_000, 3))
  })

  test('super-segment from the host, offload -> one frame, partial checksum, lands in a wrapped buffer', () => {
    const { tap, host } = bothSides(true)
    send(host, MAC_A, 60_000, 4, 1448)
    takeFrames(tap, 1, (i) => {
      expect(tap.rxFlags[i]).toBe(RX_CHECKSUM_PARTIAL)
      expect(tap.rxGso[i]).toBe(1448)
      expect(tap.rxOffset[i] % 4).toBe(2)
      fillCopy(tap, 0, i, HEADERS, target(60_000))
      tap.deliver(1)
    })
    expect(getRing(app, target(60_000))).toEqual(pattern(60_000, 4))
  })

  test('super-segment with CWR, cut up by the kernel -> CWR on the first alone (RFC 3168, 6.1.2)', () => {
    const { tap, host } = bothSides(false)
    const payload: Payload = { region: 0, buffer: 65536, bufferLen: 65536, pos: 0, len: 5 * 1448 }
    const head = headers(MAC_A, MAC_B, payload.len, 1)
    const flagsAt = 14 + 20 + 13
    head[flagsAt] |= TCP_CWR
    fillSlot(host, 0, head, payload, 1448)
    expect(host.transmit(0, 1)).toBe(1)
    expect(host.txHeaders[TX_SLOT_VIRTIO + 1]).toBe(VIRTIO_GSO_TCPV4 | VIRTIO_GSO_ECN)
    takeFrames(tap, 5, (i, nth) => {
      expect(frameBytes(tap, i)[flagsAt] & TCP_CWR).toBe(nth === 0 ? TCP_CWR : 0)
      expect(tap.verifyTcp(i)).toBe(true)
    })
  })

  test('super-segment from the host, no offload -> cut up in order, every checksum right', () => {
    const { tap, host } = bothSides(false)
    send(host, MAC_A, 10 * 1448, 1, 1448)
    takeFrames(tap, 10, (i, nth) => {
      expect(seqOf(tap, i)).toBe(1 + nth * 1448)
      expect(tap.rxFlags[i]).toBe(0)
      expect(tap.rxGso[i]).toBe(0)
      expect(tap.verifyTcp(i)).toBe(true)
    })
  })

  test('more frames than a burst -> in order, nothing left; empty -> quiet', () => {
    const { tap, host } = bothSides(true, 4)
    for (let seq = 0; seq < 11; seq++) send(host, MAC_A, 20, seq)
    takeFrames(tap, 11, (i, nth) => expect(seqOf(tap, i)).toBe(nth))
    expect(tap.receive()).toBe(0)
    expect(waitReadable(Int32Array.of(tap.fd), 1, 0)).toBe(0)
  })

  test('deliver: frame of an earlier burst -> RangeError', () => {
    const { tap, host } = bothSides(true)
    send(host, MAC_A, 100, 1)
    takeFrames(tap, 1, () => undefined)
    fillCopy(tap, 0, 0, HEADERS, target(100))
    expect(() => tap.deliver(1)).toThrow(RangeError)
  })

  test('attach: the same device from its descriptor', () => {
    const { tap, host } = bothSides(true)
    const second = TapPort.attach(tap.fd, { name: NAME, regions, offload: true })
    send(second, MAC_B, 10, 9)
    takeFrames(host, 1, (i) => expect(seqOf(host, i)).toBe(9))
  })

  test('device down -> sending loses frames, sendFrame says so, nothing throws', () => {
    const { tap } = bothSides(true)
    ip('link', 'set', NAME, 'down')
    send(tap, MAC_B, 10, 1)
    tap.receive()
    expect(tap.sendFrame(headers(MAC_B, MAC_A, 0, 1), HEADERS)).toBe(false)
  })
})
