/** Source routes as bytes (RFC 791, 3.1; RFC 1122, 3.2.1.8 (c)). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ArrivedRoute, emitIpv4, emitSourceRoute, ICMP_QUOTED_BYTES, IPV4_HEADER_BYTES, isSameRoute, parseIpv4, parseQuotedSegment, PROTOCOL_TCP,
  readSourceRoute, returnRoute, type SourceRoute, sourceRouteBytes,
} from '../../lib/wire/index.js'

const S = 0x0a000001
const [G1, G2, G3] = [0x0a000102, 0x0a000203, 0x0a000304]
const D = 0x0a000405

/** An IP header with these bytes of options, which are filled up to whole words. */
function header(options: readonly number[], behind = 0): Uint8Array {
  const optionBytes = Math.ceil(options.length / 4) * 4
  const bytes = new Uint8Array(IPV4_HEADER_BYTES + optionBytes + behind)
  bytes.set(options, IPV4_HEADER_BYTES)
  emitIpv4(bytes, 0, { sourceIp: S, targetIp: G1, protocol: PROTOCOL_TCP, ttl: 64, tos: 0, payloadLen: behind }, null, optionBytes)
  return bytes
}

function address(word: number): number[] {
  return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]
}

/** A route option with its pointer behind the first `passed` addresses. */
function option(kind: number, addresses: readonly number[], passed: number): number[] {
  return [kind, 3 + 4 * addresses.length, 4 + 4 * passed, ...addresses.flatMap(address)]
}

describe('a source route read', () => {
  it('on its way, at its end -> what is passed and what is to come; loose or strict', () => {
    const read = (kind: number, passed: number): ReturnType<typeof readSourceRoute> => readSourceRoute(header(option(kind, [G1, G2, D], passed)), 0)
    expect(read(131, 0)).toEqual({ isStrict: false, passed: [], ahead: [G1, G2, D] })
    expect(read(137, 2)).toEqual({ isStrict: true, passed: [G1, G2], ahead: [D] })
    expect(read(131, 3)).toEqual({ isStrict: false, passed: [G1, G2, D], ahead: [] })
  })

  it('behind NOPs and other options -> found; behind the end of the list, or none -> null', () => {
    const route = option(131, [G1], 1)
    const found: ArrivedRoute = { isStrict: false, passed: [G1], ahead: [] }
    expect(readSourceRoute(header([1, 1, 148, 4, 0, 0, 1, ...route]), 0)).toEqual(found)
    expect(readSourceRoute(header([0, ...route]), 0)).toBeNull()
    expect(readSourceRoute(header([148, 4, 0, 0]), 0)).toBeNull()
    expect(readSourceRoute(header([]), 0)).toBeNull()
  })

  it('two of them, a wrong length or pointer -> malformed (RFC 1122, 3.2.1.8 (c))', () => {
    const good = option(131, [G1], 1)
    expect(readSourceRoute(header([...good, ...option(137, [G2], 1)]), 0)).toBe('malformed')
    for (const [length, pointer] of [[2, 4], [6, 4], [8, 4], [12, 4], [7, 3], [7, 5], [0, 4]]) {
      expect(readSourceRoute(header([131, length, pointer, ...address(G1)]), 0), `${length} ${pointer}`).toBe('malformed')
    }
  })

  it('an option of an impossible length before it -> not looked at behind that, as unknown options are ignored', () => {
    for (const length of [0, 1, 100]) expect(readSourceRoute(header([148, length, ...option(131, [G1], 1)]), 0)).toBeNull()
  })

  it('any bytes -> no error, and at most nine addresses', () => {
    fc.assert(fc.property(fc.array(fc.nat(255), { maxLength: 40 }), (options) => {
      const route = readSourceRoute(header(options), 0)
      if (route === null || route === 'malformed') return
      expect(route.passed.length + route.ahead.length).toBeLessThanOrEqual(9)
    }))
  })
})

describe('the way back', () => {
  it('of a route that is completed -> its hops in reverse, as strict as it was (RFC 9293, 3.9.2.1: MUST-53)', () => {
    expect(returnRoute({ isStrict: true, passed: [G1, G2, G3], ahead: [] }, S)).toEqual({ isStrict: true, hops: [G3, G2, G1] })
    expect(returnRoute({ isStrict: false, passed: [], ahead: [D] }, S)).toBeNull()
  })

  it('the source has entered itself -> left out (RFC 1122, 3.2.1.8 (c), case (B))', () => {
    expect(returnRoute({ isStrict: false, passed: [S, G1, G2], ahead: [] }, S)).toEqual({ isStrict: false, hops: [G2, G1] })
    expect(returnRoute({ isStrict: false, passed: [S], ahead: [] }, S)).toBeNull()
  })
})

describe('a source route written', () => {
  it('hops -> the later ones and the destination in the option, which ends the header', () => {
    const route: SourceRoute = { isStrict: false, hops: [G1, G2, G3] }
    expect(sourceRouteBytes(route)).toBe(16)
    const bytes = new Uint8Array(16)
    emitSourceRoute(bytes, 0, route, D)
    expect([...bytes]).toEqual([1, 131, 15, 4, ...address(G2), ...address(G3), ...address(D)])
    expect(sourceRouteBytes(null)).toBe(0)
  })

  it('any route -> read as it was written, in a header whose checksum is right', () => {
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
    fc.assert(fc.property(fc.array(word, { minLength: 1, maxLength: 9 }), word, fc.boolean(), (hops, targetIp, isStrict) => {
      const route = { isStrict, hops }
      const optionBytes = sourceRouteBytes(route)
      const bytes = new Uint8Array(IPV4_HEADER_BYTES + optionBytes)
      emitSourceRoute(bytes, IPV4_HEADER_BYTES, route, targetIp)
      emitIpv4(bytes, 0, { sourceIp: S, targetIp: hops[0], protocol: PROTOCOL_TCP, ttl: 1, tos: 0, payloadLen: 0 }, null, optionBytes)
      expect(parseIpv4(bytes, 0)).toMatchObject({ headerLen: 20 + optionBytes, targetIp: hops[0], payloadLen: 0, checksumGood: true })
      expect(readSourceRoute(bytes, 0)).toEqual({ isStrict, passed: [], ahead: [...hops.slice(1), targetIp] })
    }))
  })

  it('compared -> the same only with the same hops in the same order, and as strict', () => {
    const route: SourceRoute = { isStrict: false, hops: [G1, G2] }
    expect(isSameRoute(route, { isStrict: false, hops: [G1, G2] })).toBe(true)
    for (const other of [null, { ...route, isStrict: true }, { ...route, hops: [G2, G1] }, { ...route, hops: [G1] }]) {
      expect(isSameRoute(route, other)).toBe(false)
    }
    expect(isSameRoute(null, null)).toBe(true)
  })
})

describe('a segment with a source route, quoted by a router', () => {
  it('somewhere on its way -> its destination is the end of the route', () => {
    for (const passed of [0, 1, 2]) {
      const quoted = header(option(131, [G2, G3, D], passed), ICMP_QUOTED_BYTES)
      expect(parseQuotedSegment(quoted)).toMatchObject({ sourceIp: S, targetIp: D, totalLen: 44 })
    }
  })

  it('behind the last hop -> its destination field; a senseless route -> nothing', () => {
    expect(parseQuotedSegment(header(option(131, [G2, G3], 2), ICMP_QUOTED_BYTES))).toMatchObject({ targetIp: G1 })
    expect(parseQuotedSegment(header([131, 6, 4], ICMP_QUOTED_BYTES))).toBeNull()
  })
})
