import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FLOW_GROUPS, frameGroup } from '../../lib/memif/index.js'
import { Fanout } from '../../native/fanout.js'
import { PacketPort } from '../../native/packetport.js'
import { nowUs } from '../../native/wake.js'
import { steerProgram } from '../../service/steerprogram.js'
import { makePair, makeRegions, removeDevice, whyNoDevices } from './devices.js'
import { frameBytes, HEADERS, headers, isOurs, MAC_A, MAC_B } from './frames.js'

const refused = whyNoDevices()
const A = `tf${process.pid}a`
const B = `tf${process.pid}b`
const { regions } = makeRegions()
const open: PacketPort[] = []

function port(name: string, mac: Uint8Array, receive: boolean, vlan = 0): PacketPort {
  const made = PacketPort.open({ interface: name, regions, mac, offload: true, receive, vlan })
  open.push(made)
  return made
}

function steer(fanout: Fanout, table: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    fanout.steer(steerProgram(table), (error) => {
      if (error === undefined) resolve()
      else reject(error)
    })
  })
}

/** A segment from port `port`, or with `protocol` something else. */
function frame(port: number, protocol = 6): Uint8Array {
  const bytes = headers(MAC_B, MAC_A, 0, port)
  new DataView(bytes.buffer).setUint16(34, port)
  bytes[23] = protocol
  return bytes
}

/** The frames of ours that wait at `from`, or come within ten seconds if there must be `count`. */
function take(from: PacketPort): Uint8Array[] {
  const taken: Uint8Array[] = []
  for (let found = from.receive(); found > 0; found = from.receive()) {
    for (let i = 0; i < found; i++) if (isOurs(from, i)) taken.push(frameBytes(from, i))
    from.release()
  }
  return taken
}

function takeAll(from: readonly PacketPort[], count: number): Uint8Array[][] {
  const taken: Uint8Array[][] = from.map(() => [])
  const endUs = nowUs() + 10e6
  while (taken.flat().length < count && nowUs() < endUs) from.forEach((each, index) => taken[index].push(...take(each)))
  return taken
}

describe.skipIf(refused !== null)(`fanout${refused === null ? '' : ` (skipped: ${refused})`}`, () => {
  beforeAll(() => makePair(A, B))
  afterAll(() => {
    for (const each of open) each.close()
    removeDevice(A)
  })

  test('segments of many connections -> each at the worker of its group, before and after the table changes; the rest at the first', async () => {
    const sender = port(A, MAC_A, false)
    const receivers = [port(B, MAC_B, true), port(B, MAC_B, true), port(B, MAC_B, true)]
    const fanout = new Fanout(receivers.map(({ fd }) => fd))
    for (const each of receivers) take(each)
    for (let round = 0; round < 3; round++) {
      const table = Uint8Array.from({ length: FLOW_GROUPS }, (_, group) => (group * 7 + round) % 3)
      await steer(fanout, table)
      for (let i = 0; i < 200; i++) expect(sender.sendFrame(frame(30_000 + i), HEADERS)).toBe(true)
      expect(sender.sendFrame(frame(1, 17), HEADERS)).toBe(true)
      const taken = takeAll(receivers, 201)
      expect(taken.flat()).toHaveLength(201)
      taken.forEach((frames, worker) => {
        expect(frames.length).toBeGreaterThan(40)
        for (const bytes of frames) {
          const group = frameGroup(bytes, 0, bytes.length)
          expect(worker).toBe(group < 0 ? 0 : table[group])
        }
      })
    }
  })

  test('the table changes under load -> once the call is done every frame that the one before steered is in its ring, and none is lost', async () => {
    const sender = port(A, MAC_A, false)
    const receivers = [port(B, MAC_B, true), port(B, MAC_B, true)]
    const fanout = new Fanout(receivers.map(({ fd }) => fd))
    for (const each of receivers) take(each)
    await steer(fanout, new Uint8Array(FLOW_GROUPS))
    for (let i = 0; i < 1000; i++) sender.sendFrame(frame(i), HEADERS)
    await steer(fanout, new Uint8Array(FLOW_GROUPS).fill(1))
    const before = takeAll(receivers, 1000)
    expect(before.flat()).toHaveLength(1000)
    for (let i = 0; i < 100; i++) sender.sendFrame(frame(i), HEADERS)
    expect(takeAll(receivers, 100).map(({ length }) => length)).toEqual([0, 100])
  })

  test('a program that is none, a socket in a group already -> an error', async () => {
    const receiver = port(B, MAC_B, true)
    const fanout = new Fanout([receiver.fd])
    const error = await new Promise<Error | undefined>((resolve) => fanout.steer(new Uint8Array(8).fill(0xff), resolve))
    expect(error?.message).toContain('PACKET_FANOUT_DATA')
    expect(() => new Fanout([receiver.fd])).toThrow(expect.objectContaining({ code: 'EALREADY' }))
    expect(() => fanout.steer(new Uint8Array(3), () => undefined)).toThrow(RangeError)
  })
})
