import { describe, expect, it } from 'vitest'
import {
  FLAG_SACK, FLAG_TIMESTAMPS, FLAGS_TOS_SHIFT, FLOW_COLUMNS, INFO_NAMES, TCB_WORDS, TCP_STATES, type AppRow, type ContextRow,
  type FlowDetail, type FlowRow, type InfoValues,
} from '../../lib/memif/index.js'
import { connectionRows, type ConnectionRow } from '../../tools/control/connections.js'
import { flagNames, formatFlow, formatFlowJson, tcbValues } from '../../tools/state/flowtext.js'
import { parseStateOptions } from '../../tools/state/options.js'
import { formatOverview, formatOverviewJson } from '../../tools/state/overview.js'
import { filterFlows, sortFlows } from '../../tools/state/selection.js'

const PLAIN = { heading: (text: string) => text, dim: (text: string) => text }
const LOCAL = 0x0a000001
const REMOTE = 0xc0a80002
const APP: AppRow = {
  app: 3, pid: 42, name: 'web\u001b[2J', contexts: 1, listeners: 1, connections: 2, regionBytes: 1 << 22, bufferBytes: 262_144, bufferRoomBytes: 4_000_000,
}

function flowRow(changes: Partial<FlowRow> = {}): readonly number[] {
  const zero = Object.fromEntries(INFO_NAMES.map((name) => [name, 0])) as InfoValues
  const row: FlowRow = {
    ...zero, flow: 7, gen: 2, worker: 0, app: 3, context: 0, localIp: LOCAL, localPort: 80, remoteIp: REMOTE, remotePort: 5000,
    state: TCP_STATES.indexOf('ESTABLISHED'), ...changes,
  }
  return FLOW_COLUMNS.map((name) => row[name])
}

const ROWS: readonly ConnectionRow[] = connectionRows([
  flowRow({ rttUs: 120 }),
  flowRow({ flow: -1, app: 0, remotePort: 80, localPort: 4000, state: TCP_STATES.indexOf('TIME-WAIT') }),
  flowRow({ flow: 9, remotePort: 5001, rttUs: 900 }),
], [APP])

describe('state: options', () => {
  it('none -> once, everything, as text', () => {
    expect(parseStateOptions([], {})).toEqual({ socket: '/run/tas.sock', json: false, watch: false })
  })

  it('filters, sort and form -> as given', () => {
    const argv = ['--state=time-wait', '--port', '80', '--pid=42', '--sort=rttUs', '--json', '--watch']
    expect(parseStateOptions(argv, { TAS_SOCKET: '/tmp/a' })).toEqual({
      socket: '/tmp/a', state: 'TIME-WAIT', port: 80, pid: 42, sort: 'rttUs', json: true, watch: true,
    })
  })

  it('a flow by its ends -> both ways round; by number -> that', () => {
    const [a, b] = [{ ip: LOCAL, port: 80 }, { ip: REMOTE | 0, port: 5000 }]
    expect(parseStateOptions(['--flow=10.0.0.1:80-192.168.0.2:5000'], {})?.flow).toEqual([
      { localIp: a.ip, localPort: a.port, remoteIp: b.ip, remotePort: b.port }, { localIp: b.ip, localPort: b.port, remoteIp: a.ip, remotePort: a.port },
    ])
    expect(parseStateOptions(['--flow=7'], {})?.flow).toEqual([{ flow: 7 }])
  })

  const flowWish = 'want ADDR:PORT-ADDR:PORT, as in 10.0.0.1:80-10.0.0.2:5000, or the number in the column "id"'
  it.each([
    [['--flow=10.0.0.1:80'], `--flow: "10.0.0.1:80": ${flowWish}`],
    [['--flow=10.0.0.1:0-10.0.0.2:5'], `--flow: "10.0.0.1:0-10.0.0.2:5": ${flowWish}`],
    [['--flow=10.0.0.300:1-10.0.0.2:5'], `--flow: "10.0.0.300:1-10.0.0.2:5": ${flowWish}`],
    [['--flow=99999999999'], `--flow: "99999999999": ${flowWish}`],
    [['--state=open'], `--state: "open": want one of ${TCP_STATES.join(', ')}`],
    [['--port=0'], '--port: "0": want a port from 1 to 65535'],
    [['--pid=x'], '--pid: "x": want a process id'],
    [['--flow=7', '--port=80'], '--port: is for lists of flows; leave it or --flow out'],
    [['--wach'], '--wach: unknown option; see tas state --help'],
  ])('%j -> %s', (argv, message) => {
    expect(() => parseStateOptions(argv, {})).toThrow(new Error(message))
  })

  it('--sort by what there is not -> the names that there are', () => {
    expect(() => parseStateOptions(['--sort=rtt'], {})).toThrow(/^--sort: "rtt": want one of state, local, remote, pid, name, flow, .*rttUs/)
  })
})

describe('state: selection', () => {
  const ids = (rows: readonly ConnectionRow[]): number[] => rows.map(({ flow }) => flow)

  it.each([
    [{}, [7, -1, 9]], [{ state: 'TIME-WAIT' }, [-1]], [{ port: 80 }, [7, -1, 9]], [{ port: 5001 }, [9]], [{ pid: 42 }, [7, 9]],
    [{ pid: 42, port: 5000 }, [7]], [{ pid: 1 }, []],
  ])('%j -> flows %j', (filter, expected) => expect(ids(filterFlows(ROWS, filter))).toEqual(expected))

  it('sort: numbers from the largest, texts from A, ports as numbers; none -> as they came', () => {
    expect(ids(sortFlows(ROWS, 'rttUs'))).toEqual([9, 7, -1])
    expect(ids(sortFlows(ROWS, 'state'))).toEqual([7, 9, -1])
    expect(ids(sortFlows(ROWS, 'local'))).toEqual([7, 9, -1])
    expect(ids(sortFlows(ROWS, undefined))).toEqual([7, -1, 9])
  })
})

describe('state: lists', () => {
  const context: ContextRow = {
    app: 3, context: 0, isAsleep: true, isBlocked: false, slowEvents: [0, 64], requests: [3, 64], events: [[1, 512], [-1, 512]], bumps: [[0, 512], [512, 512]],
  }

  it('text: a table for each part; names cannot harm the terminal, broken rings are said to be', () => {
    const text = formatOverview({
      timeMs: 0, workers: [{ worker: 0, isAsleep: false, flows: 2, toSlow: [1, 2048], toFast: [0, 2048], waitingCommands: 0 }], apps: [APP],
      contexts: [context], listeners: [], flows: ROWS.slice(0, 2),
    }, PLAIN)
    expect(text).toBe([
      'workers (1)',
      '  worker  is     flows  to slow path  from slow path  commands without room',
      '  0       awake      2  1/2048        0/2048                              0',
      '',
      'applications (1)',
      '  app  program       contexts  listeners  connections  buffer bytes         of',
      '  3    web?[2J (42)         1          1            2       262,144  4,000,000',
      '',
      'contexts (1)',
      '  app  context  is      requests  answers  events of workers  bumps to workers',
      '  3    0        asleep  3/64      0/64     1/512 broken/512   0/512 512/512',
      '',
      'listeners (0)',
      '',
      'flows (2)',
      '  id  state        local          peer              program       context  worker  rtt us  cwnd  kbit/s  in flight  unsent  peer wnd  rx buffer  tx buffer  retrans',
      '  7   ESTABLISHED  10.0.0.1:80    192.168.0.2:5000  web?[2J (42)  0        0          120     0  -               0       0         0          0          0        0',
      '  -   TIME-WAIT    10.0.0.1:4000  192.168.0.2:80    -             -        0            0     0  -               0       0         0          0          0        0',
      '',
    ].join('\n'))
  })

  it('JSON: one line with everything', () => {
    const line = formatOverviewJson({ timeMs: 5, flows: ROWS })
    expect(line.indexOf('\n')).toBe(line.length - 1)
    expect(JSON.parse(line)).toEqual({ timeMs: 5, flows: ROWS })
  })
})

describe('state: one flow', () => {
  const tcb = new Array<number>(TCB_WORDS).fill(0)
  tcb[0] = 0x0200a8c0
  tcb[1] = 0x50008813 | 0
  tcb[3] = FLAG_TIMESTAMPS | FLAG_SACK | (0x10 << FLAGS_TOS_SHIFT)
  tcb[4] = -2
  const detail: FlowDetail = {
    row: flowRow(), tcb, connection: { phase: 'worker', handshakeRttUs: 1234.5 }, timers: { retransmissionUs: 200_000 },
    congestion: { algorithm: 'cubic', 'own.\u001bx': 'a\u0007' }, recovery: null,
  }

  it('text: every field with its unit; what a module calls its values cannot harm the terminal', () => {
    const text = formatFlow(detail, [APP], PLAIN)
    expect(text).toContain('10.0.0.1:80 - 192.168.0.2:5000  ESTABLISHED  web?[2J (42)')
    expect(text).toMatch(/^ {2}remoteIp +192\.168\.0\.2$/m)
    expect(text).toMatch(/^ {2}ports +5000 80 {2}peer's, local$/m)
    expect(text).toMatch(/^ {2}flags +0x10010001 {2}TIMESTAMPS SACK TOS 16$/m)
    expect(text).toMatch(/^ {2}rcvNxt +4294967294 {2}seq$/m)
    expect(text).toMatch(/^ {2}handshakeRttUs +1,234\.5 {2}us$/m)
    expect(text).toMatch(/^ {2}retransmissionUs +200,000 {2}us$/m)
    expect(text).toMatch(/^ {2}own\.\?x +a\?$/m)
    expect(text).toMatch(/loss recovery\n {2}none/)
  })

  it('without a TCB -> none', () => {
    expect(formatFlow({ ...detail, tcb: null }, [], PLAIN)).toMatch(/TCB\n {2}none/)
  })

  it('JSON: connection, TCB by name, and what the slow path keeps', () => {
    const { flow } = JSON.parse(formatFlowJson(detail, [APP], 5)) as { flow: Record<string, unknown> }
    expect(flow).toMatchObject({ local: '10.0.0.1:80', pid: 42, tcb: { rcvNxt: 0xfffffffe }, congestion: { algorithm: 'cubic' }, recovery: null })
    expect(tcbValues(tcb)).toMatchObject({ gen: 0, flags: 0x10010001 })
  })

  it('flags -> names of the bits', () => expect(flagNames(0)).toEqual([]))
})
