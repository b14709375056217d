/** Frames with IP options: a source route, whose last address is the one for TCP's checksum (RFC 9293, 3.1). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checksumFoldSoft } from '../../native/checksum.js'
import { MemoryPort } from '../../native/memoryport.js'
import { PacketPort } from '../../native/packetport.js'
import { type Port, RX_CHECKSUM_PARTIAL, TX_DESC_WORDS, TX_HEADER_LEN, TX_IP_OPTIONS_SHIFT } from '../../native/port.js'
import { makePair, makeRegions, removeDevice, takeFrames, whyNoDevices } from './devices.js'
import { field16, fillSlot, frameBytes, HEADERS, headers, MAC_A, MAC_B, pattern, type Payload, putRing } from './frames.js'

const refused = whyNoDevices()
const A = `tn${process.pid}o`
const B = `tn${process.pid}p`
const LENGTHS = [0, 1, 64, 1001]
const OPTION_BYTES = [8, 24, 40]
/** The end of the route; the destination field says something else. */
const FINAL = [10, 99, 7, 9]
const { regions, state } = makeRegions()

/** Headers with `optionBytes` of a loose source route. */
function routed(optionBytes: number, payloadLen: number): Uint8Array {
  const plain = headers(MAC_B, MAC_A, payloadLen, 1)
  const head = new Uint8Array(HEADERS + optionBytes)
  head.set(plain.subarray(0, 34))
  head.set([1, 131, optionBytes - 1, 4], 34)
  for (let at = 38; at < 34 + optionBytes; at++) head[at] = at
  head.set(FINAL, 34 + optionBytes - 4)
  head.set(plain.subarray(34), 34 + optionBytes)
  head[14] = 0x45 + optionBytes / 4
  new DataView(head.buffer).setUint16(16, HEADERS - 14 + optionBytes + payloadLen)
  return head
}

function fill(port: Port, optionBytes: number, len: number, gso = 0): void {
  const payload: Payload = { region: 0, buffer: 65536, bufferLen: 65536, pos: 65536 - (len >> 1) - 1, len }
  putRing(state, payload, pattern(len, 3))
  const head = routed(optionBytes, len)
  fillSlot(port, 0, head, payload, gso)
  port.txDesc[TX_HEADER_LEN] = head.length | (optionBytes << TX_IP_OPTIONS_SHIFT)
}

/** The IP header's checksum is right, and so is TCP's, which is the pseudo-header's sum alone where that was said. */
function check(frame: Uint8Array, optionBytes: number, len: number, isPartial: boolean): void {
  const tcpAt = 34 + optionBytes
  const tcpLen = frame.length - tcpAt
  expect(frame.length).toBe(HEADERS + optionBytes + len)
  expect(frame.subarray(HEADERS + optionBytes)).toEqual(pattern(len, 3))
  expect(checksumFoldSoft(frame, 14, 20 + optionBytes, 0)).toBe(0xffff)
  const pseudo = checksumFoldSoft(Uint8Array.from(FINAL), 0, 4, checksumFoldSoft(frame, 26, 4, 6 + tcpLen))
  if (isPartial) expect(field16(frame, tcpAt + 16)).toBe(pseudo)
  else expect(checksumFoldSoft(frame, tcpAt, tcpLen, pseudo)).toBe(0xffff)
}

test.each([true, false])('port in memory, offload %s -> both checksums, the route’s end in TCP’s', (offload) => {
  let frame: Uint8Array = new Uint8Array(0)
  const port = new MemoryPort({ offload, memory: () => state, onTransmit: (sent) => void (frame = sent) })
  for (const optionBytes of OPTION_BYTES) for (const len of LENGTHS) {
    fill(port, optionBytes, len)
    port.transmit(0, 1)
    check(frame, optionBytes, len, offload)
  }
})

describe.skipIf(refused !== null)(`packet port${refused === null ? '' : ` (skipped: ${refused})`}`, () => {
  beforeAll(() => makePair(A, B))
  afterAll(() => removeDevice(A))

  test.each([[true, 0], [false, 0], [true, 7], [false, 7]])('offload %s, VLAN %i -> both checksums, the route’s end in TCP’s', (offload, vlan) => {
    const sender = PacketPort.open({ interface: A, regions, mac: MAC_A, offload, receive: true, vlan })
    const receiver = PacketPort.open({ interface: B, regions, mac: MAC_B, offload: true, receive: true, vlan })
    try {
      for (const optionBytes of OPTION_BYTES) for (const len of LENGTHS) {
        fill(sender, optionBytes, len)
        expect(sender.transmit(0, 1)).toBe(1)
        takeFrames(receiver, 1, (i) => {
          const isPartial = (receiver.rxFlags[i] & RX_CHECKSUM_PARTIAL) !== 0
          expect(isPartial).toBe(offload)
          check(frameBytes(receiver, i), optionBytes, len, isPartial)
        })
      }
    } finally {
      sender.close()
      receiver.close()
    }
  })

  test('a super-segment, options that the header does not have, headers beyond the slot -> RangeError, here as in memory', () => {
    const native = PacketPort.open({ interface: A, regions, mac: MAC_A, offload: true, receive: false })
    const memory = new MemoryPort({ offload: true, memory: () => state, onTransmit: () => undefined })
    try {
      for (const port of [native, memory]) {
        const refuses = (headerLen: number, optionBytes: number, gso = 0): void => {
          fill(port, 8, 100, gso)
          port.txDesc[0 * TX_DESC_WORDS + TX_HEADER_LEN] = headerLen | (optionBytes << TX_IP_OPTIONS_SHIFT)
          expect(() => port.transmit(0, 1), `${headerLen} ${optionBytes} ${gso}`).toThrow(RangeError)
        }
        refuses(62, 8, 50)
        for (const [headerLen, optionBytes] of [[62, 4], [61, 8], [111, 8], [94, 44], [62, 12], [62, -8]]) refuses(headerLen, optionBytes)
      }
    } finally {
      native.close()
    }
  })
})
