/**
 * Every option of `tas`: name, unit, default, meaning. Parser, --help and docs/options.md are made from this table.
 * Names, units and defaults are those of the original TAS (user guide 1.2); where a default differs, the row
 * has a `departure` that says why. Departing values stand in DEPARTURES.
 */
import { CONGESTION_CONTROLS, DEFAULT_SOCKET, DEFAULT_TTL, LOCAL_ADDRESSES_MAX, WORKERS_MAX } from '../lib/memif/index.js'
import {
  BadValue,
  grouped,
  readChoice,
  readChoiceOrModule,
  readCpus,
  readFraction,
  readInteger,
  readInterfaceName,
  readLocalAddress,
  readMac,
  readMode,
  readNic,
  readRoute,
  readSocketPath,
} from './optionvalues.js'

/** Headings under which options are listed, in this order. */
export const SECTIONS = [
  'IP configuration',
  'Network interface',
  'Fast path',
  'Memory',
  'TCP',
  'Congestion control',
  'Congestion control: DCTCP',
  'Congestion control: TIMELY',
  'Congestion control: constant rate',
  'ARP',
  'Slow-path queues',
  'Host kernel interface',
  'Miscellaneous',
] as const
export type Section = (typeof SECTIONS)[number]

/** Defaults that are not the original's. */
export const DEPARTURES = {
  /** Bytes; what a first flight and most responses need, and Linux's own initial receive buffer (docs/decisions/0008). */
  bufferBytes: 128 * 1024,
  /** Bytes; fills 1 Gbit/s over 100 ms. */
  bufferMaxBytes: 16 * 1024 ** 2,
  /** Bytes; the largest region that one typed array spans on Node 20. Memory is taken page by page as it is used. */
  shmBytes: 4 * 1024 ** 3,
  /** Microseconds; a longer spin starves the application where cores are few. */
  pollUs: 50,
} as const

const UINT32_MAX = 0xffff_ffff

/** One option. T is the type of its value. */
export interface OptionRow<T> {
  /** Long name without dashes. */
  readonly name: string
  /** Name of the value in help, or '' for a flag. */
  readonly value: string
  readonly section: Section
  /** Unit of the value, '' if it has none. */
  readonly unit: string
  /** Default as text. */
  readonly defaultText: string
  readonly meaning: string
  /** Why the default, or the option itself, is not the original's; '' if it is. */
  readonly departure: string
  readonly repeatable: boolean
  /** Value without the option. */
  readonly initial: T
  /** Reads the text given (flags: ''); `before` is the value so far. Throws BadValue. */
  read(text: string, before: T): T
}

interface Facts {
  readonly section: Section
  readonly name: string
  readonly value?: string
  readonly unit?: string
  readonly defaultText?: string
  readonly meaning: string
  readonly departure?: string
}

function row<T>(facts: Facts, initial: T, read: (text: string, before: T) => T, repeatable = false): OptionRow<T> {
  return { value: '', unit: '', defaultText: 'none', departure: '', ...facts, repeatable, initial, read }
}

function flag(facts: Facts): OptionRow<boolean> {
  return row({ defaultText: 'off', ...facts }, false, () => true)
}

function integer(facts: Facts, initial: number, least: number, most: number): OptionRow<number> {
  return row({ defaultText: grouped(initial), ...facts }, initial, (text) => readInteger(text, least, most))
}

function fraction(facts: Facts, initial: number, least: number, most: number): OptionRow<number> {
  return row({ defaultText: String(initial), ...facts }, initial, (text) => readFraction(text, least, most))
}

function choice<T extends string>(facts: Facts, initial: T, choices: readonly T[]): OptionRow<T> {
  return row({ defaultText: initial, ...facts }, initial, (text) => readChoice(text, choices))
}

/** A value that is absent (null) unless given. */
function optional<T>(facts: Facts, read: (text: string) => T): OptionRow<T | null> {
  return row<T | null>(facts, null, read)
}

/** A list with one element for each time the option is given. */
function list<T>(facts: Facts, most: number, read: (text: string) => T): OptionRow<readonly T[]> {
  const add = (text: string, before: readonly T[]): readonly T[] => {
    if (before.length === most) throw new BadValue(`is one too many; at most ${most} can be given`)
    return [...before, read(text)]
  }
  return row<readonly T[]>(facts, [], add, true)
}

const NEW = 'not in the original'
const UNDOCUMENTED = 'undocumented in the original; default as in its source'

const ip = { section: 'IP configuration' } as const
const nic = { section: 'Network interface' } as const
const fp = { section: 'Fast path' } as const
const memory = { section: 'Memory', unit: 'bytes', value: 'LEN' } as const
const tcp = { section: 'TCP' } as const
const cc = { section: 'Congestion control' } as const
const dctcp = { section: 'Congestion control: DCTCP' } as const
const timely = { section: 'Congestion control: TIMELY' } as const
const arp = { section: 'ARP', value: 'TIMEOUT', unit: 'us' } as const
const queue = { section: 'Slow-path queues', value: 'LEN' } as const
const misc = { section: 'Miscellaneous' } as const

const bufferDeparture = 'the original has 8,192 and no growth'
const bufferMeaning = 'rounded up to a power of two. Down to 1/16 of it, but not below 64 KiB, once --shm-len fills.'
const bufferMaxMeaning = 'while a round trip uses up half of it and more; rounded up to a power of two. Never beyond 1/16 of --shm-len, ' +
  'and down to 1/16 of it once --shm-len fills. Not above the initial length: no growth.'
const pollDeparture = 'the original (undocumented there) spins for 10,000, which starves applications where cores are few'

/** Congestion-control algorithms by the names of --cc; any other is the path of a module. */
export const CC_ALGORITHMS = CONGESTION_CONTROLS.filter((name) => name !== 'module')

/** Modes of --tcp-ecn. */
export const ECN_MODES = ['off', 'passive', 'on', 'auto'] as const

/** Levels of --log-level, most talkative first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const
export type LogLevelName = (typeof LOG_LEVELS)[number]

/** Most routes that --ip-route can give. */
const ROUTES_MAX = 1024

/** The table. Keys are the names of the values in Options. */
export const OPTION_TABLE = {
  ipAddr: list({ ...ip, name: 'ip-addr', value: 'ADDR[/PREFIXLEN]',
    meaning: 'Local IP address. Needed at least once. Without PREFIXLEN every address counts as a neighbour.',
    departure: `can be given up to ${LOCAL_ADDRESSES_MAX} times` }, LOCAL_ADDRESSES_MAX, readLocalAddress),
  ipRoute: list({ ...ip, name: 'ip-route', value: 'DEST[/PREFIX],NEXTHOP',
    meaning: 'Route to the subnet DEST/PREFIX (a single host without PREFIX) via NEXTHOP. Can be given more than once. ' +
      'A default route: 0.0.0.0/0,192.168.1.1.' }, ROUTES_MAX, readRoute),
  ipTtl: integer({ ...ip, name: 'ip-ttl', value: 'TTL', departure: NEW,
    meaning: 'Time to live of packets that are sent.' }, DEFAULT_TTL, 1, 255),
  ipMtuMin: integer({ ...ip, name: 'ip-mtu-min', value: 'MTU', unit: 'bytes', departure: NEW,
    meaning: 'Least path MTU that ICMP errors or lost packets can make TAS believe. Paths below it cannot be used.' }, 552, 68, 65_535),
  ipSourceRoute: flag({ ...ip, name: 'ip-source-route', departure: NEW,
    meaning: 'Take packets with a source route (LSRR, SSRR), answer by the same way, and let programs name one. Otherwise such packets are ' +
      'dropped (RFC 7126): whoever can name the way of answers can read them.' }),

  nic: optional({ ...nic, name: 'nic', value: '[af_packet:|tap:]NAME', departure: NEW,
    meaning: 'Network interface to work on. Needed. af_packet (taken when none is named) shares an existing interface ' +
      'that is up; tap makes a TAP device NAME with TAS behind it and the host kernel before it.' }, readNic),
  mac: optional({ ...nic, name: 'mac', value: 'MAC', defaultText: 'random, locally administered', departure: NEW,
    meaning: 'MAC address of TAS. It must not be the interface\'s own, or the host kernel would answer for TAS\'s ports.' },
  readMac),
  vlan: integer({ ...nic, name: 'vlan', value: 'ID', defaultText: '0 (none)', departure: NEW,
    meaning: 'VLAN that TAS is in, 1 to 4094: all it sends has that 802.1Q tag, and frames without it are not for TAS.' }, 0, 0, 4094),

  fpCoresMax: integer({ ...fp, name: 'fp-cores-max', value: 'CORES',
    meaning: 'Most cores for the fast path, each with a worker process of its own. Connections are shared out among those in use.' },
  1, 1, WORKERS_MAX),
  fpCpus: optional({ ...fp, name: 'fp-cpus', value: 'CPU,...', defaultText: 'none: scheduler and worker choose', departure: NEW,
    meaning: 'The CPUs that workers are bound to, one for each: as many as --fp-cores-max.' }, readCpus),
  fpNoInts: flag({ ...fp, name: 'fp-no-ints',
    meaning: 'Never block for packets, poll only: a worker then uses a whole core at all times.' }),
  fpNoXsumoffload: flag({ ...fp, name: 'fp-no-xsumoffload',
    meaning: 'No checksum or segmentation offload: for interfaces that have none. Costs speed.' }),
  fpNoAutoscale: flag({ ...fp, name: 'fp-no-autoscale',
    meaning: 'Do not scale the number of cores with the load, always use --fp-cores-max. tas scale sets it by hand.' }),
  fpNoHugepages: flag({ ...fp, name: 'fp-no-hugepages',
    departure: 'there it is about memory shared with applications, which here has small pages always (decision 0015)',
    meaning: 'No huge pages for the state of connections. Otherwise it has them if /sys/kernel/mm/transparent_hugepage/shmem_enabled says advise ' +
      'or more.' }),
  fpVlanStrip: flag({ ...fp, name: 'fp-vlan-strip', departure: UNDOCUMENTED,
    meaning: 'Strip 802.1Q tags from received frames and handle them as untagged, whatever the VLAN. Otherwise frames with a tag ' +
      'are not for TAS.' }),
  fpPollIntervalTas: integer({ ...fp, name: 'fp-poll-interval-tas', value: 'INT', unit: 'us', departure: pollDeparture,
    meaning: 'How long a worker, or the slow path, polls without finding anything before it blocks.' }, DEPARTURES.pollUs, 0, UINT32_MAX),
  fpPollIntervalApp: integer({ ...fp, name: 'fp-poll-interval-app', value: 'INT', unit: 'us',
    departure: pollDeparture,
    meaning: 'How long an application context polls without finding anything before it blocks.' },
  DEPARTURES.pollUs, 0, UINT32_MAX),
  dpdkExtra: row<null>({ ...fp, name: 'dpdk-extra', value: 'ARG', departure: 'refused: there is no DPDK here',
    meaning: 'Refused. Use --nic, --mac, --fp-cores-max, --fp-cpus, --fp-no-hugepages and --fp-no-xsumoffload in place of EAL parameters.' },
  null, () => {
    throw new BadValue('there is no DPDK here; use --nic=[af_packet:|tap:]NAME for the interface, --fp-cores-max and --fp-cpus for cores, ' +
      '--fp-no-hugepages for memory')
  }),

  shmLen: integer({ ...memory, name: 'shm-len',
    departure: 'undocumented in the original, whose source has 1 GiB for all; here each application has a region of its own',
    meaning: 'Shared memory of each application: rings and connection buffers. Taken from the machine page by page as it is used.' },
  DEPARTURES.shmBytes, 2 ** 20, 2 ** 32),

  tcpRttInit: integer({ ...tcp, name: 'tcp-rtt-init', value: 'RTT', unit: 'us',
    departure: 'no default documented; this is its source\'s',
    meaning: 'Initial round-trip time for congestion control, until there are measurements.' }, 50, 1, 60_000_000),
  tcpLinkBw: integer({ ...tcp, name: 'tcp-link-bw', value: 'BANDWIDTH', unit: 'Gbit/s',
    meaning: 'Bandwidth of the link: upper end of rates. A connection whose rate has come there is not paced, since the link does it.' },
    10, 1, 10_000),
  tcpRxbufLen: integer({ ...tcp, name: 'tcp-rxbuf-len', value: 'LEN', unit: 'bytes', departure: bufferDeparture,
    meaning: `Initial receive buffer of a connection; ${bufferMeaning}` }, DEPARTURES.bufferBytes, 2048, 2 ** 30),
  tcpTxbufLen: integer({ ...tcp, name: 'tcp-txbuf-len', value: 'LEN', unit: 'bytes', departure: bufferDeparture,
    meaning: `Initial transmit buffer of a connection; ${bufferMeaning}` }, DEPARTURES.bufferBytes, 2048, 2 ** 30),
  tcpRxbufMax: integer({ ...tcp, name: 'tcp-rxbuf-max', value: 'LEN', unit: 'bytes', departure: NEW,
    meaning: `To what a receive buffer grows ${bufferMaxMeaning}` }, DEPARTURES.bufferMaxBytes, 2048, 2 ** 30),
  tcpTxbufMax: integer({ ...tcp, name: 'tcp-txbuf-max', value: 'LEN', unit: 'bytes', departure: NEW,
    meaning: `To what a transmit buffer grows ${bufferMaxMeaning}` }, DEPARTURES.bufferMaxBytes, 2048, 2 ** 30),
  tcpHandshakeTimeout: integer({ ...tcp, name: 'tcp-handshake-timeout', value: 'TIMEOUT', unit: 'us',
    meaning: 'Time until a SYN or SYN-ACK is sent again; doubles with every retry.' }, 10_000, 100, 60_000_000),
  tcpHandshakeRetries: integer({ ...tcp, name: 'tcp-handshake-retries', value: 'RETRIES',
    departure: 'the original has 10, which gives up after 20 s; RFC 9293 wants three minutes',
    meaning: 'Most retries of a SYN; of a SYN-ACK at most 10.' }, 14, 0, 255),
  tcpEcn: choice({ ...tcp, name: 'tcp-ecn', value: 'MODE', departure: NEW,
    meaning: 'Explicit congestion notification (RFC 3168): off (never), passive (where the peer asks for it), on (asked for in ' +
      'connections that are opened here, too), auto (asked for by connections whose congestion control needs it: the dctcp ones).' },
  'auto', ECN_MODES),
  tcpStallLimit: integer({ ...tcp, name: 'tcp-stall-limit', value: 'TIMEOUT', unit: 'us',
    meaning: 'How long a peer may keep data back with a closed or tiny window and read hardly anything, when buffers run short or the ' +
      'application has closed: then the connection is reset. 0: for ever.',
    departure: NEW }, 60_000_000, 0, UINT32_MAX),

  cc: row<string>({ ...cc, name: 'cc', value: 'ALGORITHM', defaultText: 'dctcp-rate',
    departure: 'cubic, reno and modules are new; dctcp ones leave connections without ECN, and long paths, to cubic',
    meaning: 'Congestion control of connections that choose none: dctcp-rate (DCTCP adapted to rates), dctcp-win (DCTCP, its window made a ' +
      'rate), timely (by latency), const-rate (no control, for debugging), cubic (RFC 9438), reno (RFC 5681), or the path of a module ' +
      'with one of your own, as in ./mine.js (docs/congestion-control.md).' },
  'dctcp-rate', (text) => readChoiceOrModule(text, CC_ALGORITHMS)),
  ccControlInterval: integer({ ...cc, name: 'cc-control-interval', value: 'INT', unit: 'round-trip times',
    meaning: 'Control interval: how often the rate of a connection is decided anew.' }, 2, 1, 1000),
  ccControlGranularity: integer({ ...cc, name: 'cc-control-granularity', value: 'G', unit: 'us',
    meaning: 'Shortest time between two runs of the control loop.' }, 50, 1, 10_000_000),
  ccRexmitInts: integer({ ...cc, name: 'cc-rexmit-ints', value: 'INTERVALS', unit: 'control intervals',
    meaning: 'Intervals without progress before a retransmission.' }, 4, 1, 1000),

  ccDctcpWeight: fraction({ ...dctcp, name: 'cc-dctcp-weight', value: 'WEIGHT',
    meaning: 'EWMA weight of the ECN rate (alpha).' }, 0.0625, 0, 1),
  ccDctcpInit: optional({ ...dctcp, name: 'cc-dctcp-init', value: 'RATE', unit: 'kbit/s',
    defaultText: 'an initial window per round trip',
    departure: 'undocumented in the original, whose source has 10,000: a first flight takes 12 ms at that',
    meaning: 'dctcp-rate: initial rate of a connection. The default is as careful as RFC 6928.' },
  (text) => readInteger(text, 1, UINT32_MAX)),
  ccDctcpStep: integer({ ...dctcp, name: 'cc-dctcp-step', value: 'STEP', unit: 'kbit/s',
    departure: 'undocumented in the original, whose source has 10,000: more than the fair share of each of 1,000 flows on a 10 Gbit/s link',
    meaning: 'dctcp-rate: additive increase in each control interval, of rates up to 10 Mbit/s; for higher ones it grows with the root of the rate.' },
    500, 1, UINT32_MAX),
  ccDctcpMimd: optional({ ...dctcp, name: 'cc-dctcp-mimd', value: 'INC_FACT', defaultText: 'disabled',
    meaning: 'dctcp-rate: multiplicative increase by this factor, 1 to 2, in place of the additive one. For tests.' },
    (text) => readFraction(text, 1, 2)),
  ccDctcpMin: integer({ ...dctcp, name: 'cc-dctcp-min', value: 'RATE', unit: 'kbit/s',
    departure: 'the original has 10,000: more than 1,000 flows at that are above a 10 Gbit/s link, and nothing helps',
    meaning: 'Least rate of a connection.' }, 1_000, 0, UINT32_MAX),
  ccDctcpMinpkts: integer({ ...dctcp, name: 'cc-dctcp-minpkts', value: 'PACKETS', unit: 'packets',
    departure: 'undocumented in the original, whose source has 50: slow flows then wait long, neither answering marks nor growing',
    meaning: 'dctcp-rate: fewest acknowledged packets from which an ECN rate is computed.' }, 1, 0, UINT32_MAX),

  ccTimelyTlow: integer({ ...timely, name: 'cc-timely-tlow', value: 'TIME', unit: 'us',
    meaning: 'Tlow: below it the rate grows.' }, 30, 0, 10_000_000),
  ccTimelyThigh: integer({ ...timely, name: 'cc-timely-thigh', value: 'TIME', unit: 'us',
    meaning: 'Thigh: above it the rate shrinks.' }, 150, 0, 10_000_000),
  ccTimelyStep: integer({ ...timely, name: 'cc-timely-step', value: 'STEP', unit: 'kbit/s',
    meaning: 'Additive increase.' }, 10_000, 1, UINT32_MAX),
  ccTimelyInit: integer({ ...timely, name: 'cc-timely-init', value: 'RATE', unit: 'kbit/s',
    meaning: 'Initial rate of a connection.' }, 10_000, 1, UINT32_MAX),
  ccTimelyAlpha: fraction({ ...timely, name: 'cc-timely-alpha', value: 'FRAC',
    meaning: 'EWMA weight of differences in round-trip time.' }, 0.02, 0, 1),
  ccTimelyBeta: fraction({ ...timely, name: 'cc-timely-beta', value: 'FRAC',
    meaning: 'Multiplicative decrease.' }, 0.8, 0, 1),
  ccTimelyMinrtt: integer({ ...timely, name: 'cc-timely-minrtt', value: 'RTT', unit: 'us',
    meaning: 'Least round-trip time without queueing.' }, 11, 1, 10_000_000),
  ccTimelyMinrate: integer({ ...timely, name: 'cc-timely-minrate', value: 'RATE', unit: 'kbit/s',
    meaning: 'Least rate of a connection.' }, 10_000, 1, UINT32_MAX),

  ccConstRate: integer({ section: 'Congestion control: constant rate', name: 'cc-const-rate', value: 'RATE', unit: 'kbit/s',
    defaultText: '0 (no limit)',
    departure: 'no default documented; this is its source\'s', meaning: 'Rate of every connection.' }, 0, 0, UINT32_MAX),

  arpTimeout: integer({ ...arp, name: 'arp-timeout',
    meaning: 'Time until an ARP request is sent again; doubles with every retry.' }, 500, 1, UINT32_MAX),
  arpTimeoutMax: integer({ ...arp, name: 'arp-timeout-max',
    meaning: 'When the time between retries grows beyond it, the request fails.' }, 10_000_000, 1, UINT32_MAX),

  nicRxLen: integer({ ...queue, name: 'nic-rx-len', unit: 'entries',
    meaning: 'Slow path\'s receive queue from each worker; rounded up to a power of two.' },
    16_384, 16, 2 ** 20),
  nicTxLen: integer({ ...queue, name: 'nic-tx-len', unit: 'entries',
    meaning: 'Slow path\'s transmit queue to each worker; rounded up to a power of two.' },
    16_384, 16, 2 ** 20),
  appKinLen: integer({ ...queue, name: 'app-kin-len', unit: 'bytes',
    meaning: 'Queue from the slow path to an application context; rounded up to a power of two.' },
    2 ** 20, 1024, 2 ** 26),
  appKoutLen: integer({ ...queue, name: 'app-kout-len', unit: 'bytes',
    meaning: 'Queue from an application context to the slow path; rounded up to a power of two.' },
    2 ** 20, 1024, 2 ** 26),

  kniName: optional({ section: 'Host kernel interface', name: 'kni-name', value: 'NAME', defaultText: 'disabled',
    meaning: 'Make a TAP device NAME and pass packets that are not for TAS to the host kernel through it, and back: ' +
      'both then share interface and address.' }, readInterfaceName),

  socket: row({ ...misc, name: 'socket', value: 'PATH',
    defaultText: `${DEFAULT_SOCKET}, or TAS_SOCKET in the environment`, departure: NEW,
    meaning: 'Unix socket for applications.' }, DEFAULT_SOCKET as string, readSocketPath),
  socketMode: row({ ...misc, name: 'socket-mode', value: 'MODE', unit: 'octal', defaultText: '0600', departure: NEW,
    meaning: 'Mode of the socket. Unless it lets others write, only root and the user of TAS may connect.' },
  0o600 as number, readMode),
  readyFd: optional({ ...misc, name: 'ready-fd', value: 'FD', defaultText: 'none',
    departure: 'writes the line "ready" and closes; the original writes eight bytes',
    meaning: 'File descriptor to write the line "ready" to when TAS is ready.' }, (text) => readInteger(text, 0, 65_535)),
  quiet: flag({ ...misc, name: 'quiet', meaning: 'Log warnings and errors only.' }),
  logLevel: choice({ ...misc, name: 'log-level', value: 'LEVEL', departure: NEW,
    meaning: `Least level to log: ${LOG_LEVELS.join(', ')}.` },
    'info', LOG_LEVELS),
  logJson: flag({ ...misc, name: 'log-json', departure: NEW,
    meaning: 'Log JSON lines in place of text. Either goes to stderr.' }),
}

/** A key of the table. */
export type OptionKey = keyof typeof OPTION_TABLE

/** Value of each option. */
export type OptionValues = {
  readonly [K in OptionKey]: (typeof OPTION_TABLE)[K] extends OptionRow<infer T> ? T : never
}

/** All keys, in the order of the table. */
export const OPTION_KEYS = Object.keys(OPTION_TABLE) as OptionKey[]
