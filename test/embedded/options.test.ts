import { describe, expect, it } from 'vitest'
import { readArguments, readOptions, type EmbeddedOptions } from '../../lib/embedded/options.js'
import { prepareEmbedded } from '../../lib/embedded/prepared.js'

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

  it('socket -> only where one is given', () => {
    expect(readOptions(LEAST).socket).toBe('')
    expect(readOptions({ ...LEAST, socket: '/run/app.sock' }).socket).toBe('/run/app.sock')
    expect(readArguments(['--nic=eth0', '--ip-addr=10.0.0.1/24', '--socket', 'app.sock']).socket).toBe('app.sock')
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
    [{ socket: '' }, '--socket: "": want a path'],
    [{ socketMode: '0660' }, '--socket-mode: is an option of the service'],
    [{ kniName: 'kni0' }, '--kni-name: is an option of the service'],
    [{ fpCpus: '1' }, '--fp-cpus: is an option of the service'],
    [{ help: 'yes' }, '--help'],
    [{ vlan: 5, fpVlanStrip: true }, '--fp-vlan-strip: takes frames of all VLANs'],
  ])('%o -> one line that names the option', (given, message) => {
    expect(() => readOptions(untyped(given))).toThrow(expect.objectContaining({ name: 'UsageError', message: expect.stringContaining(message) }))
  })
})

describe('options of an embedded TAS as a command line', () => {
  const LINE = ['--nic=eth0', '--ip-addr=10.0.0.1/24']

  it('the same as options of a program', () => {
    expect(readArguments(LINE)).toEqual(readOptions(LEAST))
    expect(readArguments([...LINE, '--log-level=debug', '--fp-no-xsumoffload'])).toMatchObject({ logLevel: 'debug', fpNoXsumoffload: true })
  })

  it.each([
    [['--nic=eth0'], '--ip-addr: is missing'],
    [['--nic', 'eth0', '--ip-addr'], '--ip-addr: value is missing'],
    [[...LINE, '--ip-tll=3'], '--ip-tll: unknown option; did you mean --ip-ttl?'],
    [[...LINE, 'nic=eth1'], 'unexpected argument: all options start with --'],
    [[...LINE, '--socket-mode=0660'], '--socket-mode: is an option of the service'],
    [[...LINE, '--fp-no-ints'], '--fp-no-ints: is an option of the service'],
    [[...LINE, '--version'], '--version: is no option of an embedded TAS'],
  ])('%j -> one line that names the option', (argv, message) => {
    expect(() => readArguments(argv)).toThrow(expect.objectContaining({ name: 'UsageError', message: expect.stringContaining(message) }))
  })
})

describe('a prepared TAS', () => {
  it('checked options -> what it will reach, and nothing is made', () => {
    const { networks } = prepareEmbedded(['--nic=none0', '--ip-addr=10.0.0.1/24', '--ip-route=11.0.0.0/8,10.0.0.254'])
    expect(networks).toEqual({ addresses: [{ ip: 0x0a000001, prefix: 24 }], routes: [{ ip: 0x0b000000, prefix: 8 }] })
  })

  it('an option that cannot be, a module that is not there -> TasError EINVAL', () => {
    expect(() => prepareEmbedded(['--nic=eth0'])).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    expect(() => prepareEmbedded(['--nic=eth0', '--ip-addr=10.0.0.1/24', '--cc=./nowhere.mjs'])).toThrow(/EINVAL: --cc: ".\/nowhere.mjs": cannot be/)
  })
})
