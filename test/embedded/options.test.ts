import { describe, expect, it } from 'vitest'
import { readOptions, type EmbeddedOptions } from '../../lib/embedded/options.js'

const LEAST: EmbeddedOptions = { nic: 'eth0', ipAddr: '10.0.0.1/24' }

/** Options as a program in plain JavaScript could give them. */
function untyped(options: Readonly<Record<string, unknown>>): EmbeddedOptions {
  return { ...LEAST, ...options } as EmbeddedOptions
}

describe('options of an embedded TAS', () => {
  it('only what is needed -> the defaults of the command line, but warnings only', () => {
    expect(readOptions(LEAST)).toMatchObject({
      nic: { kind: 'af_packet', name: 'eth0' }, ipAddr: [{ address: 0x0a000001, prefix: 24 }], logLevel: 'warn', tcpRxbufLen: 131_072, notes: [],
    })
  })

  it('lists, numbers, fractions, flags, undefined -> as on the command line', () => {
    const options = readOptions({
      ...LEAST, ipAddr: ['10.0.0.1/24', '10.0.0.2/24'], ipRoute: '0.0.0.0/0,10.0.0.254', ipTtl: 32, ccDctcpWeight: 0.5, fpNoXsumoffload: true,
      fpVlanStrip: false, cc: 'cubic', mac: undefined,
    })
    expect(options.ipAddr).toHaveLength(2)
    expect(options).toMatchObject({ ipTtl: 32, ccDctcpWeight: 0.5, fpNoXsumoffload: true, fpVlanStrip: false, cc: 'cubic', mac: null })
  })

  it.each([
    [{ ipAddr: [] }, '--ip-addr: is missing'],
    [{ ipAddr: '10.0.0' }, '--ip-addr: "10.0.0": want four numbers'],
    [{ nic: undefined }, '--nic: is missing'],
    [{ ipTtl: 0 }, '--ip-ttl: "0": is out of range'],
    [{ ipTtl: 1.5 }, '--ip-ttl: "1.5": want a whole number'],
    [{ ipTtl: Number.NaN }, '--ip-ttl: "NaN": want a whole number'],
    [{ ipTtl: null }, '--ip-ttl: want text or a number'],
    [{ ipTtl: {} }, '--ip-ttl: want text or a number'],
    [{ fpVlanStrip: 1 }, '--fp-vlan-strip: want true or false'],
    [{ ipAdr: '10.0.0.1' }, '--ip-adr: unknown option; did you mean --ip-addr?'],
    [{ 'x y': 1 }, 'unknown option'],
    [{ socket: '/run/tas.sock' }, '--socket: is an option of the service'],
    [{ kniName: 'kni0' }, '--kni-name: is an option of the service'],
    [{ help: 'yes' }, '--help'],
    [{ vlan: 5, fpVlanStrip: true }, '--fp-vlan-strip: takes frames of all VLANs'],
  ])('%o -> one line that names the option', (given, message) => {
    expect(() => readOptions(untyped(given))).toThrow(expect.objectContaining({ name: 'UsageError', message: expect.stringContaining(message) }))
  })
})
