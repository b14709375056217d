import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatIpv4Address, formatMac, isGroupMac, MAC_BROADCAST, parseIpv4Address, parseMac, parsePrefix, prefixMask, sameMac,
} from '../../lib/wire/index.js'

describe('addresses', () => {
  it('IPv4: dotted decimal -> signed word and back', () => {
    expect(parseIpv4Address('10.0.0.1')).toBe(0x0a000001)
    expect(parseIpv4Address('255.255.255.255')).toBe(-1)
    fc.assert(fc.property(fc.integer(), (ip) => parseIpv4Address(formatIpv4Address(ip)) === (ip | 0)))
  })

  it.each(['', '10.0.0', '10.0.0.256', '10.0.0.01', '10.0.0.-1', '10.0.0.1.2', '1e1.0.0.1', ' 10.0.0.1'])(
    'IPv4: %j -> null', (text) => {
      expect(parseIpv4Address(text)).toBeNull()
    })

  it('prefix: address and length; 32 without one; out of range -> null', () => {
    expect(parsePrefix('10.0.0.1/24')).toEqual({ ip: 0x0a000001, prefix: 24 })
    expect(parsePrefix('10.0.0.1')).toEqual({ ip: 0x0a000001, prefix: 32 })
    for (const text of ['10.0.0.1/33', '10.0.0.1/', '10.0.0.1/-1', '/24',
      '10.0.0.1/2/4']) expect(parsePrefix(text)).toBeNull()
    expect([prefixMask(0), prefixMask(24), prefixMask(32)]).toEqual([0, 0xffffff00 | 0, -1])
  })

  it('MAC: text -> bytes and back; malformed -> null', () => {
    const mac = parseMac('02:00:5e:00:53:Ff')
    expect(mac && formatMac(mac)).toBe('02:00:5e:00:53:ff')
    for (const text of ['', '02:00:5e:00:53', '02-00-5e-00-53-ff', '02:00:5e:00:53:fg']) expect(parseMac(text)).toBeNull()
    expect(isGroupMac(MAC_BROADCAST)).toBe(true)
    expect(sameMac(MAC_BROADCAST, Uint8Array.of(255, 255, 255, 255, 255, 254))).toBe(false)
  })
})
