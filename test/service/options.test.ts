import { describe, expect, it } from 'vitest'
import { UsageError } from '../../service/errors.js'
import { helpText, informationAsked, parseOptions, type Options } from '../../service/options.js'
import { OPTION_KEYS, OPTION_TABLE } from '../../service/optiontable.js'

const BASE = ['--ip-addr=10.0.0.1/24', '--nic=eth0']

function complaint(argv: readonly string[], env: Record<string, string> = {}): string {
  try {
    parseOptions(argv, env)
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
  return 'accepted'
}

describe('options: defaults', () => {
  /** User guide 1.2, then the original's source for what it does not document; departures apart. */
  const documented: Partial<Options> = {
    fpCoresMax: 1, fpNoInts: false, fpNoXsumoffload: false, fpNoAutoscale: false, fpNoHugepages: false, fpVlanStrip: false,
    tcpRttInit: 50, tcpLinkBw: 10, tcpHandshakeTimeout: 10_000, tcpHandshakeRetries: 14, tcpEcn: 'auto',
    cc: 'dctcp-rate', ccControlInterval: 2, ccControlGranularity: 50, ccRexmitInts: 4,
    ccDctcpWeight: 0.0625, ccDctcpInit: null, ccDctcpStep: 500, ccDctcpMimd: null, ccDctcpMin: 1_000, ccDctcpMinpkts: 1,
    ccTimelyTlow: 30, ccTimelyThigh: 150, ccTimelyStep: 10_000, ccTimelyInit: 10_000, ccTimelyAlpha: 0.02, ccTimelyBeta: 0.8,
    ccTimelyMinrtt: 11, ccTimelyMinrate: 10_000, ccConstRate: 0,
    arpTimeout: 500, arpTimeoutMax: 10_000_000, nicRxLen: 16_384, nicTxLen: 16_384, appKinLen: 1_048_576, appKoutLen: 1_048_576,
    kniName: null, quiet: false, readyFd: null, ipRoute: [], ipTtl: 64, ipMtuMin: 552, ipSourceRoute: false, mac: null, vlan: 0,
    socket: '/run/tas.sock', socketMode: 0o600,
    tcpRxbufLen: 131_072, tcpTxbufLen: 131_072, tcpRxbufMax: 16_777_216, tcpTxbufMax: 16_777_216, shmLen: 4_294_967_296, fpPollIntervalTas: 50, fpPollIntervalApp: 50,
  }

  it.each(Object.entries(documented))('%s: not given -> %j', (key, value) => {
    expect(parseOptions(BASE, {})[key as keyof Options]).toEqual(value)
  })

  it('every option of the table is in one section and has a meaning', () => {
    for (const key of OPTION_KEYS) expect(OPTION_TABLE[key].meaning, key).not.toBe('')
    expect(new Set(OPTION_KEYS.map((key) => OPTION_TABLE[key].name)).size).toBe(OPTION_KEYS.length)
  })
})

describe('options: accepted', () => {
  const rows: [string[], Partial<Options>][] = [
    [[], { ipAddr: [{ address: 0x0a000001, prefix: 24 }], nic: { kind: 'af_packet', name: 'eth0' } }],
    [['--ip-addr', '192.168.1.1/16'], { ipAddr: [{ address: 0x0a000001, prefix: 24 }, { address: 0xc0a80101 | 0, prefix: 16 }] }],
    [['--ip-addr=172.16.0.1'], { ipAddr: [{ address: 0x0a000001, prefix: 24 }, { address: 0xac100001 | 0, prefix: 0 }] }],
    [['--ip-addr=172.16.0.0/31'], { ipAddr: [{ address: 0x0a000001, prefix: 24 }, { address: 0xac100000 | 0, prefix: 31 }] }],
    [['--ip-route=0.0.0.0/0,10.0.0.254', '--ip-route=1.2.3.4,10.0.0.2'], { ipRoute: [
      { address: 0, prefix: 0, nextHop: 0x0a0000fe }, { address: 0x01020304, prefix: 32, nextHop: 0x0a000002 }] }],
    [['--ip-source-route'], { ipSourceRoute: true }],
    [['--vlan=4094', '--ip-mtu-min=1280'], { vlan: 4094, ipMtuMin: 1280 }],
    [['--nic=tap:tas0'], { nic: { kind: 'tap', name: 'tas0' } }],
    [['--nic', 'af_packet:veth1'], { nic: { kind: 'af_packet', name: 'veth1' } }],
    [['--mac=02:00:00:00:00:Fe'], { mac: Uint8Array.of(2, 0, 0, 0, 0, 0xfe) }],
    [['--tcp-rtt-init=200'], { tcpRttInit: 200 }],
    [['--tcp-rtt-init', '200'], { tcpRttInit: 200 }],
    [['--tcp-rtt-init=1', '--tcp-rtt-init=2'], { tcpRttInit: 2 }],
    [['--cc=timely', '--cc-timely-alpha=0.5'], { cc: 'timely', ccTimelyAlpha: 0.5 }],
    [['--cc=cubic'], { cc: 'cubic' }], [['--cc=reno'], { cc: 'reno' }], [['--cc=./mine.js'], { cc: './mine.js' }],
    [['--cc-dctcp-mimd=1.5', '--cc-dctcp-init=5000'], { ccDctcpMimd: 1.5, ccDctcpInit: 5000 }],
    [['--fp-cpus=3,0', '--fp-cores-max=2'], { fpCpus: [3, 0] }],
    [['--fp-no-ints', '--fp-vlan-strip'], { fpNoInts: true, fpVlanStrip: true }],
    [['--quiet', '--log-level=debug', '--log-json'], { quiet: true, logLevel: 'debug', logJson: true }],
    [['--kni-name=tas0', '--ready-fd=3'], { kniName: 'tas0', readyFd: 3 }],
    [['--socket=/tmp/a.sock', '--socket-mode=0666'], { socket: '/tmp/a.sock', socketMode: 0o666 }],
    [['--tcp-rxbuf-len=8192', '--tcp-txbuf-len=5000'], { tcpRxbufLen: 8192, tcpTxbufLen: 8192 }],
    [['--tcp-rxbuf-max=5000', '--tcp-txbuf-max=8192'], { tcpRxbufMax: 8192, tcpTxbufMax: 8192 }],
  ]
  it.each(rows)('%j', (argv, expected) => {
    expect(parseOptions([...BASE, ...argv], {})).toMatchObject(expected)
  })

  it('powers of two: 1000 entries -> 1024 and a note', () => {
    const options = parseOptions([...BASE, '--nic-rx-len=1000'], {})
    expect(options.nicRxLen).toBe(1024)
    expect(options.notes).toContain('--nic-rx-len: 1,000 rounded up to 1,024, a power of two')
  })

  it('--cc: a dctcp one while --tcp-ecn=off -> a note that cubic takes its place', () => {
    for (const cc of ['dctcp-rate', 'dctcp-win']) {
      expect(parseOptions([...BASE, `--cc=${cc}`, '--tcp-ecn=off'], {}).notes).toEqual([
        `--cc: ${cc} needs ECN, which --tcp-ecn=off forbids: connections are under cubic`])
    }
    expect(parseOptions([...BASE, '--cc=timely', '--tcp-ecn=off'], {}).notes).toEqual([])
  })

  it('TAS_SOCKET: set -> default of --socket', () => {
    expect(parseOptions(BASE, { TAS_SOCKET: '/tmp/env.sock' }).socket).toBe('/tmp/env.sock')
    expect(parseOptions([...BASE, '--socket=/tmp/b'], { TAS_SOCKET: '/tmp/env.sock' }).socket).toBe('/tmp/b')
    expect(parseOptions(BASE, { TAS_SOCKET: '' }).socket).toBe('/run/tas.sock')
  })

  it('called twice -> nothing is left from the first time', () => {
    parseOptions([...BASE, '--ip-addr=10.0.1.1/24'], {})
    expect(parseOptions(BASE, {}).ipAddr).toHaveLength(1)
  })
})

describe('options: refused', () => {
  const rows: [string[], string][] = [
    [['--nic=eth0'], '--ip-addr: is missing; want at least one, as in --ip-addr=10.0.0.1/24'],
    [['--ip-addr=10.0.0.1/24'], '--nic: is missing; want the network interface to work on, as in --nic=eth0 or --nic=tap:tas0'],
    [['--ip-addr=10.0.0.1/33'], '--ip-addr: "10.0.0.1/33": prefix length must be 0 to 32, as in 10.0.0.1/24'],
    [['--ip-addr=10.0.0.1/-1'], '--ip-addr: "10.0.0.1/-1": prefix length must be 0 to 32, as in 10.0.0.1/24'],
    [['--ip-addr=10.0.0.1/'], '--ip-addr: "10.0.0.1/": prefix length must be 0 to 32, as in 10.0.0.1/24'],
    [['--ip-addr=10.0.0/24'], '--ip-addr: "10.0.0/24": want four numbers from 0 to 255 with dots, as in 10.0.0.1/24'],
    [['--ip-addr=10.0.0.256'], '--ip-addr: "10.0.0.256": want four numbers'],
    [['--ip-addr=010.0.0.1'], '--ip-addr: "010.0.0.1": want four numbers'],
    [['--ip-addr=::1'], '--ip-addr: "::1": want four numbers'],
    [['--ip-addr='], '--ip-addr: "": want four numbers'],
    [['--ip-addr=224.0.0.1/24'], '--ip-addr: "224.0.0.1/24": want an address that a host can have'],
    [['--ip-addr=127.0.0.1/8'], '--ip-addr: "127.0.0.1/8": want an address that a host can have'],
    [['--ip-addr=10.1.0.0/24'], '--ip-addr: "10.1.0.0/24": is the number of its subnet'],
    [['--ip-addr=10.1.0.255/24'], '--ip-addr: "10.1.0.255/24": is the broadcast address of its subnet'],
    [[...BASE, '--ip-addr=10.0.0.1/16'], '--ip-addr: 10.0.0.1 is given twice; want each address once'],
    [[...BASE, '--ip-route=0.0.0.0/0'], '--ip-route: "0.0.0.0/0": next hop is missing; want DEST/PREFIX,NEXTHOP'],
    [[...BASE, '--ip-route=10.1.0.1/24,10.0.0.2'], '--ip-route: "10.1.0.1/24,10.0.0.2": destination has bits behind its prefix; want 10.1.0.0/24'],
    [[...BASE, '--ip-route=10.1.0.0/40,10.0.0.2'], '--ip-route: "10.1.0.0/40,10.0.0.2": prefix length must be 0 to 32'],
    [[...BASE, '--ip-route=0.0.0.0/0,10.9.0.1'], '--ip-route: next hop 10.9.0.1 of 0.0.0.0/0 is in no subnet of --ip-addr'],
    [[...BASE, '--ip-route=0.0.0.0/0,10.0.0.1'], '--ip-route: next hop 10.0.0.1 of 0.0.0.0/0 is one of our own'],
    [[...BASE, '--ip-route=1.0.0.0/8,10.0.0.2', '--ip-route=1.0.0.0/8,10.0.0.3'], '--ip-route: 1.0.0.0/8 is given twice'],
    [[...BASE, '--nic=dpdk:0'], '--nic: "dpdk:0": want [af_packet:|tap:]NAME, as in eth0 or tap:tas0'],
    [[...BASE, '--nic=tap:'], '--nic: "tap:": want the name of a network interface'],
    [[...BASE, '--nic=averylonginterface'], '--nic: "averylonginterface": want the name of a network interface'],
    [[...BASE, '--nic=../eth0'], '--nic: "../eth0": want the name'],
    [[...BASE, '--kni-name=eth0'], '--kni-name: "eth0": is the interface of --nic; want a new name'],
    [[...BASE, '--mac=02:00:00:00:00'], '--mac: "02:00:00:00:00": want six pairs of hexadecimal digits with colons'],
    [[...BASE, '--mac=01:00:00:00:00:01'], '--mac: "01:00:00:00:00:01": is a group address'],
    [[...BASE, '--mac=00:00:00:00:00:00'], '--mac: "00:00:00:00:00:00": is all zeros'],
    [[...BASE, '--vlan=4095'], '--vlan: "4095": is out of range; want a whole number from 0 to 4,094'],
    [[...BASE, '--vlan=5', '--fp-vlan-strip'], '--fp-vlan-strip: takes frames of all VLANs, --vlan those of one; want one of the two options'],
    [[...BASE, '--ip-mtu-min=67'], '--ip-mtu-min: "67": is out of range; want a whole number from 68 to 65,535'],
    [[...BASE, '--tcp-rtt-init=-5'], '--tcp-rtt-init: "-5": is negative; want a whole number from 1 to 60,000,000'],
    [[...BASE, '--tcp-rtt-init', '-5'], '--tcp-rtt-init: "-5": is negative'],
    [[...BASE, '--tcp-rtt-init=ten'], '--tcp-rtt-init: "ten": want a whole number'],
    [[...BASE, '--tcp-rtt-init=1.5'], '--tcp-rtt-init: "1.5": want a whole number'],
    [[...BASE, '--tcp-rtt-init=0x10'], '--tcp-rtt-init: "0x10": want a whole number'],
    [[...BASE, '--tcp-rtt-init=1e3'], '--tcp-rtt-init: "1e3": want a whole number'],
    [[...BASE, '--tcp-rtt-init='], '--tcp-rtt-init: "": want a whole number'],
    [[...BASE, '--nic-rx-len=99999999999999999999999'], '--nic-rx-len: "99999999999999999999999": is out of range; want a whole number from 16 to 1,048,576'],
    [[...BASE, '--fp-cores-max=0'], '--fp-cores-max: "0": is out of range; want a whole number from 1 to 16'],
    [[...BASE, '--fp-cpus=1,1', '--fp-cores-max=2'], '--fp-cpus: "1,1": names a CPU twice'],
    [[...BASE, '--fp-cpus=1,'], '--fp-cpus: "1,": want a whole number'],
    [[...BASE, '--fp-cpus=1,2'], '--fp-cpus: "1,2": names 2; want 1, as --fp-cores-max says'],
    [[...BASE, '--fp-cores-max=17'], '--fp-cores-max: "17": is out of range'],
    [[...BASE, '--cc=vegas'], '--cc: "vegas": want one of cubic, reno, dctcp-rate, dctcp-win, timely, const-rate, or the path of a module, as in ./mine.js'],
    [[...BASE, '--cc-dctcp-weight=2'], '--cc-dctcp-weight: "2": want a decimal number from 0 to 1, as in 0.5'],
    [[...BASE, '--cc-dctcp-weight=-0.5'], '--cc-dctcp-weight: "-0.5": want a decimal number'],
    [[...BASE, '--cc-dctcp-weight=NaN'], '--cc-dctcp-weight: "NaN": want a decimal number'],
    [[...BASE, '--cc-dctcp-mimd=0.5'], '--cc-dctcp-mimd: "0.5": want a decimal number from 1 to 2'],
    [[...BASE, '--cc-timely-thigh=10'], '--cc-timely-thigh: 10: is less than --cc-timely-tlow (30)'],
    [[...BASE, '--arp-timeout-max=100'], '--arp-timeout-max: 100: is less than --arp-timeout (500)'],
    [[...BASE, '--shm-len=1048576'], '--shm-len: 1048576: has no room for rings and one connection\'s buffers; want at least'],
    [[...BASE, '--dpdk-extra=-w0000:00:01.0'], '--dpdk-extra: "-w0000:00:01.0": there is no DPDK here; use --nic=[af_packet:|tap:]NAME'],
    [[...BASE, '--socket='], '--socket: "": want a path'],
    [[...BASE, `--socket=/${'x'.repeat(200)}`], 'is 201 bytes long; a socket\'s path has at most 107'],
    [[...BASE, '--socket-mode=999'], '--socket-mode: "999": want three octal digits'],
    [[...BASE, '--ready-fd=-1'], '--ready-fd: "-1": is negative'],
    [[...BASE, '--log-level=loud'], '--log-level: "loud": want one of trace, debug'],
    [[...BASE, '--quiet=1'], '--quiet: takes no value'],
    [[...BASE, '--ip-adr=10.0.0.1'], '--ip-adr: unknown option; did you mean --ip-addr?'],
    [[...BASE, '--xyzzy'], '--xyzzy: unknown option; see tas --help'],
    [[...BASE, '--nic'], '--nic: value is missing; want [af_packet:|tap:]NAME'],
    [[...BASE, 'start'], 'unexpected argument: all options start with --'],
  ]
  it.each(rows)('%j -> %s', (argv, message) => {
    expect(complaint(argv)).toContain(message)
  })

  it('any refusal is one line of printable characters', () => {
    for (const value of ['a\nb', '\u0007', 'x'.repeat(5000), '\u001b[31m']) {
      const message = complaint([...BASE, `--tcp-rtt-init=${value}`])
      expect(message).toMatch(/^[\x20-\x7e]{1,250}$/)
    }
    expect(complaint([...BASE, '--foo\n--bar'])).toMatch(/^[\x20-\x7e]+$/)
  })

  it('TAS_SOCKET: too long -> names the variable', () => {
    expect(complaint(BASE, { TAS_SOCKET: `/${'x'.repeat(200)}` })).toMatch(/^TAS_SOCKET: /)
  })
})

describe('options: information', () => {
  it('help lists every option under its section', () => {
    const text = helpText(100)
    for (const key of OPTION_KEYS) {
      expect(text).toContain(`--${OPTION_TABLE[key].name}`)
      expect(text).toContain(`${OPTION_TABLE[key].section}:`)
    }
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  })

  it('--help and --version are seen before anything else is checked', () => {
    expect(informationAsked(['--nic=', '--help'])).toBe('help')
    expect(informationAsked(['--version'])).toBe('version')
    expect(informationAsked(BASE)).toBeNull()
  })
})
