import { describe, expect, it, vi } from 'vitest'
import { LinkemUsageError, NO_QUEUE_LIMIT, parseOptions, PERFECT } from '../../tools/linkem/index.js'

function parse(...argv: string[]): NonNullable<ReturnType<typeof parseOptions>> {
  const options = parseOptions([...argv, 'veth0', 'veth1'])
  if (options === null) throw new Error('help was printed')
  return options
}

function refusal(...argv: string[]): string {
  try {
    parseOptions(argv)
  } catch (error) {
    if (error instanceof LinkemUsageError) return error.message
    throw error
  }
  return 'accepted'
}

describe('tas-linkem: options', () => {
  it('two ports alone -> a perfect wire, seed 1', () => {
    expect(parse()).toEqual({
      a: { kind: 'af_packet', name: 'veth0' }, b: { kind: 'af_packet', name: 'veth1' }, ab: PERFECT, ba: PERFECT, seed: 1, capture: null,
      snapBytes: 65_535, bufferBytes: 64 << 20, spinUs: 0, json: false,
    })
  })

  it.each([
    [['--rate=100mbit'], { rateKbps: 100_000 }], [['--rate=2.5gbit'], { rateKbps: 2_500_000 }], [['--rate=512kbit'], { rateKbps: 512 }],
    [['--delay=10ms', '--jitter=250us'], { delayUs: 10_000, jitterUs: 250 }], [['--delay=1.5s'], { delayUs: 1_500_000 }],
    [['--queue=64kB'], { queue: { packets: Infinity, bytes: 64_000 } }], [['--queue=100'], { queue: { packets: 100, bytes: Infinity } }],
    [['--ecn=20'], { ecn: { ...NO_QUEUE_LIMIT, packets: 20 } }], [['--ecn=1MiB'], { ecn: { ...NO_QUEUE_LIMIT, bytes: 1_048_576 } }],
    [['--loss=1%'], { loss: 0.01 }], [['--loss=0.25'], { loss: 0.25 }],
    [['--burst-loss=1%,30%'], { burstLoss: { p: 0.01, r: 0.3, lossBad: 1, lossGood: 0 } }],
    [['--burst-loss=0.1,0.5,0.8,0.02'], { burstLoss: { p: 0.1, r: 0.5, lossBad: 0.8, lossGood: 0.02 } }],
    [['--reorder=5%,2ms'], { reorder: 0.05, reorderUs: 2000 }], [['--duplicate=0.5'], { duplicate: 0.5 }], [['--corrupt=1%'], { corrupt: 0.01 }],
    [['--mtu=1400', '--icmp=off'], { mtu: 1400, icmp: false }], [['--overhead=ethernet'], { overheadBytes: 24, minFrameBytes: 60 }],
    [['--overhead=18'], { overheadBytes: 18 }],
  ] as const)('%j -> both directions', (argv, changes) => {
    const { ab, ba } = parse(...argv)
    expect(ab).toEqual({ ...PERFECT, ...changes })
    expect(ba).toEqual(ab)
  })

  it('--ab- and --ba- -> one direction, over what is for both', () => {
    const { ab, ba } = parse('--ab-rate=1mbit', '--rate=10mbit', '--delay=1ms', '--ba-delay=7ms', '--ba-loss=50%')
    expect(ab).toEqual({ ...PERFECT, rateKbps: 1000, delayUs: 1000 })
    expect(ba).toEqual({ ...PERFECT, rateKbps: 10_000, delayUs: 7000, loss: 0.5 })
  })

  it('ports -> interfaces and TAP devices', () => {
    const options = parseOptions(['--json', '--capture=x.pcapng', '--seed=9', 'tap:t0', 'af_packet:eth0'])
    expect(options).toMatchObject({ a: { kind: 'tap', name: 't0' }, b: { kind: 'af_packet', name: 'eth0' }, json: true, capture: 'x.pcapng', seed: 9 })
  })

  it.each([
    [['--rate=100', 'a', 'b'], '--rate: "100": want a rate from 1kbit to 400gbit, as in 512kbit, 100mbit or 2.5gbit'],
    [['--rate=0kbit', 'a', 'b'], '--rate: "0kbit": want a rate from 1kbit to 400gbit, as in 512kbit, 100mbit or 2.5gbit'],
    [['--ab-delay=10', 'a', 'b'], '--ab-delay: "10": want a time up to 60s, as in 250us, 10ms or 1.5s'],
    [['--loss=101%', 'a', 'b'], '--loss: "101%": want a probability from 0 to 1 or from 0% to 100%, as in 0.01 or 1%'],
    [['--loss=constructor', 'a', 'b'], '--loss: "constructor": want a probability from 0 to 1 or from 0% to 100%, as in 0.01 or 1%'],
    [['--loss=1toString', 'a', 'b'], '--loss: "1toString": want a probability from 0 to 1 or from 0% to 100%, as in 0.01 or 1%'],
    [['--jitter=1ms', 'a', 'b'], '--jitter: at most the delay'],
    [['--burst-loss=1%', 'a', 'b'], '--burst-loss: "1%": want P,R[,1-H[,1-K]], as in 1%,30% or 0.01,0.3,0.8,0.001'],
    [['--reorder=1%', 'a', 'b'], '--reorder: "1%": want P,TIME, as in 1%,5ms: how many are held back, and for how long at most'],
    [['--mtu=20', 'a', 'b'], '--mtu: "20": want a number of bytes from 68 to 65535'],
    [['--icmp=maybe', 'a', 'b'], '--icmp: "maybe": want on or off'],
    [['--queue=-1', 'a', 'b'], '--queue: "-1": want packets or bytes up to a billion, as in 100, 64kB or 1MB'],
    [['--seed=4294967296', 'a', 'b'], '--seed: "4294967296": want a whole number from 0 to 4294967295'],
    [['--rtae=1mbit', 'a', 'b'], '--rtae: unknown option; see tas-linkem --help'],
    [['--rate'], "--rate: value is missing; see tas-linkem --help"],
    [['a'], '1 ports: want two; see tas-linkem --help'], [['a', 'b', 'c'], '3 ports: want two; see tas-linkem --help'],
    [['a', 'a'], 'PORT: "a": the two sides must differ'],
    [['a', 'interface-name-of-more'], 'PORT: "interface-name-of-more": want an interface name of up to 15 characters, or tap:NAME'],
  ])('%j -> refused in one line', (argv, message) => expect(refusal(...argv)).toBe(message))

  it('--help -> printed, with examples', () => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    try {
      expect(parseOptions(['--help'])).toBeNull()
      expect(write.mock.calls.map(([text]) => String(text)).join('')).toMatch(/--burst-loss[^]*Examples:[^]*tas-linkem --rate=100mbit/)
    } finally {
      write.mockRestore()
    }
  })
})
