/** The profile's arithmetic: stacks as perf prints them -> categories, tables, plot, page. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { CATEGORIES, CATEGORY_NAMES, categoryOf, functionOf, type Category, type Role } from '../../bench/profile/categories.js'
import { countsBetween } from '../../bench/profile/counting.js'
import { categoryTable, categoryUs, countTable, functionTable, profileChart } from '../../bench/profile/figures.js'
import { attribute, type Profile } from '../../bench/profile/measure.js'
import { profilePage } from '../../bench/profile/page.js'
import { meanRate } from '../../bench/profile/perf.js'
import { Sources } from '../../bench/profile/sources.js'
import { parseStacks } from '../../bench/profile/stacks.js'
import type { ServerName } from '../../bench/contenders.js'
import { drawBars } from '../../experiments/plots/bars.js'

const WORKER = 101
const APPLICATION = 102

/** A package with a bundle of two modules: the second line of the bundle is of the second module. */
const root = mkdtempSync(join(tmpdir(), 'tas-profile-test-'))
mkdirSync(join(root, 'dist', 'service'), { recursive: true })
writeFileSync(join(root, 'dist', 'service', 'fastprocess.js.map'), JSON.stringify({
  version: 3, names: [], mappings: 'AAAA;ACAA', sources: ['../../lib/memif/ring.ts', '../../service/fast/steps.ts'],
}))
afterAll(() => rmSync(root, { recursive: true }))

const sources = new Sources(root)
const bundle = `file://${root}/dist/service/fastprocess.js`

/** As `perf script -F comm,pid,tid,ip,sym,dso` prints it. */
const SCRIPT = `tas-fast-0 ${WORKER}/${WORKER} 
\tffffffff8201d048 tcp_ack ([kernel.kallsyms])
\tffffffff82034822 tcp_v4_rcv ([kernel.kallsyms])
\tffffffff81e6743b net_rx_action ([kernel.kallsyms])
\tffffffff81e6383c __dev_queue_xmit ([kernel.kallsyms])
\tffffffff8214f6e4 packet_sendmsg ([kernel.kallsyms])
\tffffffff81000130 entry_SYSCALL_64_after_hwframe ([kernel.kallsyms])
\t          10aba4 __send (/usr/lib/x86_64-linux-gnu/libc.so.6)

tas-fast-0 ${WORKER}/${WORKER} 
\t    7f4963024b6c JS:*frames ${bundle}:2:1 (/tmp/perf-${WORKER}.map)
\t         14cfd1c Builtins_InterpreterEntryTrampoline (/usr/bin/node)

V8 worker thread ${WORKER}/105 
\t         2062539 v8::internal::(anonymous namespace)::Thing::Reduce (/usr/bin/node)
\t          bd54a1 v8::internal::OptimizingCompileDispatcher::CompileNext (/usr/bin/node)

node ${APPLICATION}/${APPLICATION} 

`

function stackOf(...frames: readonly (readonly [symbol: string, dso: string])[]) {
  const isKernel = (dso: string): boolean => dso === '[kernel.kallsyms]' || dso === '[veth]'
  return { pid: WORKER, frames: frames.map(([symbol, dso]) => ({ symbol, dso, isKernel: isKernel(dso) })) }
}

/** All of the kernel, from the innermost outwards. */
function kernelStack(...symbols: readonly string[]) {
  return stackOf(...symbols.map((symbol) => [symbol, '[kernel.kallsyms]'] as const), ['__send', '/usr/lib/libc.so.6'])
}

describe('profile: stacks', () => {
  it('text of perf -> process and frames of each sample, whatever its thread is called', () => {
    const stacks = parseStacks(SCRIPT)
    expect(stacks.map(({ pid, frames }) => [pid, frames.length])).toEqual([[WORKER, 7], [WORKER, 2], [WORKER, 2], [APPLICATION, 0]])
    expect(stacks[0].frames[0]).toEqual({ isKernel: true, symbol: 'tcp_ack', dso: '[kernel.kallsyms]' })
    expect(stacks[0].frames[6]).toEqual({ isKernel: false, symbol: '__send', dso: '/usr/lib/x86_64-linux-gnu/libc.so.6' })
    expect(stacks[2].frames[0].symbol).toBe('v8::internal::(anonymous namespace)::Thing::Reduce')
  })

  it('no text -> no sample; frames without a process -> left out', () => {
    expect(parseStacks('')).toEqual([])
    expect(parseStacks('\t10aba4 __send (/usr/lib/libc.so.6)\n')).toEqual([])
  })
})

describe('profile: sources', () => {
  it.each([
    [`JS:*frames ${bundle}:2:1`, { name: 'frames', file: 'service/fast/steps.ts' }],
    [`JS:^get length ${bundle}:1:1`, { name: 'get length', file: 'lib/memif/ring.ts' }],
    ['JS:* file:///elsewhere/program.js:1:1', { name: '', file: '/elsewhere/program.js' }],
    ['LazyCompile:~onread node:internal/stream_base_commons:168:22', { name: 'onread', file: 'node:internal/stream_base_commons' }],
    ['Builtins_LoadIC', null],
    ['tcp_ack', null],
  ])('%s -> %j', (symbol, source) => expect(sources.of(symbol)).toEqual(source))

  it('a file without a source map -> as it is', () => {
    expect(sources.of(`JS:*echo file://${root}/dist/bench/servers/tas.js:9:1`)).toEqual({ name: 'echo', file: 'dist/bench/servers/tas.js' })
  })
})

describe('profile: categories', () => {
  it.each<[Category, readonly string[]]>([
    ['peer', ['tcp_ack', 'tcp_v4_rcv', 'ip_local_deliver_finish', 'net_rx_action', '__dev_queue_xmit', 'packet_sendmsg', 'do_syscall_64']],
    ['link', ['net_rx_action', 'handle_softirqs', '__dev_queue_xmit', 'packet_sendmsg', 'do_syscall_64']],
    ['link', ['veth_xmit', 'dev_hard_start_xmit', '__dev_queue_xmit', 'ip_finish_output2', 'tcp_write_xmit', 'do_syscall_64']],
    ['packetIn', ['skb_copy_bits', 'tpacket_rcv', '__netif_receive_skb_core.constprop.0', 'net_rx_action', 'handle_softirqs', 'irq_exit_rcu']],
    ['packetOut', ['__alloc_skb', 'sock_alloc_send_pskb', 'packet_sendmsg', '__sys_sendto', 'do_syscall_64']],
    ['tcp', ['tcp_sendmsg_locked', 'tcp_sendmsg', 'sock_write_iter', 'vfs_write', 'do_syscall_64']],
    ['waiting', ['finish_task_switch.isra.0', '__schedule', 'schedule', 'do_sys_poll', 'do_syscall_64']],
    ['waiting', ['finish_task_switch.isra.0', '__schedule', 'schedule', 'exit_to_user_mode_loop', 'do_syscall_64']],
    ['waiting', ['tcp_poll', 'ep_send_events', 'do_epoll_wait', 'do_syscall_64']],
    ['waiting', ['_raw_spin_lock', 'eventfd_write', 'vfs_write', 'do_syscall_64']],
    ['waiting', ['do_sched_yield', '__x64_sys_sched_yield', 'do_syscall_64']],
    ['kernel', ['clear_page', 'handle_mm_fault', 'exc_page_fault', 'asm_exc_page_fault']],
    ['kernel', ['update_process_times', 'sysvec_apic_timer_interrupt', 'asm_sysvec_apic_timer_interrupt', 'do_syscall_64']],
    ['syscall', ['fdget_pos', 'ksys_write', 'do_syscall_64', 'entry_SYSCALL_64_after_hwframe']],
    ['kernel', ['something_new']],
  ])('kernel: %s <- %j', (category, symbols) => expect(categoryOf(kernelStack(...symbols), 'worker', sources)).toBe(category))

  const steps = [`JS:*frames ${bundle}:2:1`, '/tmp/perf-101.map'] as const
  const ring = [`JS:*publish ${bundle}:1:1`, '/tmp/perf-101.map'] as const
  const own = ['JS:*echo file:///elsewhere/program.js:1:1', '/tmp/perf-102.map'] as const
  const net = ['JS:*onread node:internal/stream_base_commons:168:22', '/tmp/perf-103.map'] as const
  const call = ['Builtins_CallApiCallback', '/usr/bin/node'] as const
  const memmove = ['__memmove_avx512_unaligned_erms', '/usr/lib/x86_64-linux-gnu/libc.so.6'] as const
  it.each<[Category, Role, string, readonly (readonly [string, string])[]]>([
    ['fast', 'worker', 'a step of the worker', [steps]],
    ['fast', 'embedded', 'the same in one process with the application', [steps]],
    ['fast', 'worker', 'the contract in a worker', [ring]],
    ['slow', 'slow', 'the contract in the slow path', [ring]],
    ['library', 'application', 'the contract in an application', [ring]],
    ['application', 'application', 'a program', [own]],
    ['fast', 'worker', 'a piece of V8 on behalf of a step', [['Builtins_AtomicsStore', '/usr/bin/node'], steps]],
    ['runtime', 'plain', 'a module of Node', [net]],
    ['runtime', 'plain', 'native code of Node', [['uv__io_poll', '/usr/bin/node'], ['uv_run', '/usr/bin/node']]],
    ['runtime', 'plain', 'a copy for Node', [memmove, call, net]],
    ['addon', 'worker', 'the addon', [['tasjs::deliver', '/somewhere/tasjs.node'], call, steps]],
    ['addon', 'worker', 'a copy of the addon, whose frame is missing', [memmove, ['[unknown]', '[unknown]']]],
    ['addon', 'worker', 'what the addon calls in Node', [['v8::Value::IsArray', '/usr/bin/node'], ['tasjs::wait', '/somewhere/tasjs.node'], call]],
    ['addon', 'worker', 'the way into the addon', [call, steps]],
    ['addon', 'embedded', 'a clock read by the addon', [['__vdso_clock_gettime', '[vdso]'], ['clock_gettime', '/usr/lib/libc.so.6'], call, steps]],
    ['runtime', 'embedded', 'native code of Node that JavaScript calls', [['malloc', '/usr/lib/libc.so.6'], ['node::crypto::TLSWrap::DoWrite', '/usr/bin/node'], call, net]],
    ['runtime', 'embedded', 'memory that OpenSSL takes, whose frame is missing', [['_int_malloc', '/usr/lib/libc.so.6'], ['[unknown]', '[unknown]']]],
    ['runtime', 'embedded', 'memory that somebody gives back', [['cfree@GLIBC_2.2.5', '/usr/lib/libc.so.6']]],
    ['runtime', 'embedded', 'a thunk of Node', [['non-virtual thunk to node::crypto::TLSWrap::IsAlive()', '/usr/bin/node'], call, net]],
    ['addon', 'embedded', 'the way into the addon by Node-API', [['malloc', '/usr/lib/libc.so.6'], ['node_napi_env__::CallFinalizer', '/usr/bin/node'], call, net]],
    ['garbage', 'worker', 'a collection in a thread', [['memcpy', '/usr/lib/libc.so.6'], ['v8::internal::Scavenger::Process', '/usr/bin/node']]],
    ['garbage', 'plain', 'a collection', [['madvise', '/usr/lib/libc.so.6'], ['v8::internal::Heap::CollectGarbage', '/usr/bin/node'], own]],
    ['compiling', 'worker', 'a compiler thread', [['v8::internal::compiler::GraphReducer::Reduce', '/usr/bin/node']]],
    ['application', 'plain', 'a program in C', [['main', '/somewhere/epoll_server']]],
    ['runtime', 'plain', 'libc below a program in C', [['__send', '/usr/lib/libc.so.6'], ['main', '/somewhere/epoll_server']]],
    ['unknown', 'plain', 'no name and no file', [['[unknown]', '[unknown]']]],
    ['unknown', 'plain', 'no stack', []],
  ])('%s <- %s: %s', (category, role, _what, frames) => expect(categoryOf(stackOf(...frames), role, sources)).toBe(category))

  it('functions: named with the place where they were written', () => {
    expect(functionOf(stackOf(steps), sources)).toBe('frames (service/fast/steps.ts)')
    expect(functionOf(stackOf(memmove), sources)).toBe('__memmove_avx512_unaligned_erms (libc.so.6)')
    expect(functionOf(kernelStack('tcp_ack'), sources)).toBe('tcp_ack (kernel)')
    expect(functionOf(stackOf(), sources)).toBe('without a name')
  })

  it('all samples of a text -> each counted once, functions those of the worker', () => {
    const roles = new Map<number, Role>([[WORKER, 'worker'], [APPLICATION, 'application']])
    const { samples, workerFunctions } = attribute(parseStacks(SCRIPT), roles, sources)
    expect(Object.fromEntries(samples)).toEqual({ peer: 1, fast: 1, compiling: 1, unknown: 1 })
    expect([...workerFunctions.keys()]).toEqual([
      'tcp_ack (kernel)', 'frames (service/fast/steps.ts)', 'v8::internal::(anonymous namespace)::Thing::Reduce (node)',
    ])
  })
})

describe('profile: counts', () => {
  it('between two moments -> for each request', () => {
    const before = { wakeups: 10, yields: 0, framesIn: 1000, framesOut: 2000, snapshot: null }
    const after = { wakeups: 30, yields: 5, framesIn: 1100, framesOut: 2150, snapshot: null }
    expect(countsBetween(before, after, 100)).toEqual({ wakeups: 0.2, yields: 0.05, framesIn: 1, framesOut: 1.5 })
  })

  it('system calls: intervals within the window alone', () => {
    const line = (seconds: number, count: string): string => `     ${seconds.toFixed(9)},${count},,raw_syscalls:sys_enter,1000,100.00,,`
    const text = ['# started on ...', line(0.2, '9999'), line(0.4, '100'), line(0.6, '300'), line(0.8, '<not counted>'), line(1.2, '9999')].join('\n')
    expect(meanRate(text, { from: 0.19, to: 1 })).toBeCloseTo(1000)
    expect(meanRate(text, { from: 2, to: 3 })).toBeNull()
    expect(meanRate('', { from: 0, to: 1 })).toBeNull()
  })
})

const passUs = { count: 9, p50: 5, p90: 6, p99: 7, p999: 8, p9999: 900, max: 1000 }
const PROFILES: readonly Profile[] = [
  {
    server: 'tas', scene: '64 connections', isUnmodified: false, requestsPerSecond: 123_456, cpuUsPerRequest: 4, samples: new Map([['fast', 25], ['link', 75]]),
    workerFunctions: new Map([['frames (service/fast/steps.ts)', 1], ['tcp_ack (kernel)', 3]]), systemCalls: 0.25,
    counts: { wakeups: 0.01, yields: 0, framesIn: 1, framesOut: 1 },
    worker: { framesPerPass: 12, acks: 0.5, events: 1, appWakeups: 0, slowWakeups: 0, workerWakeups: 0, passUs },
  },
  {
    server: 'cEpoll', scene: '64 connections', isUnmodified: false, requestsPerSecond: 100_000, cpuUsPerRequest: 6, samples: new Map([['tcp', 50], ['link', 50]]),
    workerFunctions: new Map(), systemCalls: null, counts: { wakeups: 0.5, yields: 0, framesIn: 1, framesOut: 1 }, worker: null,
  },
]

describe('profile: figures', () => {
  it('categories -> their part of the CPU time of a request; all of them are its sum', () => {
    expect(categoryUs(PROFILES[0], 'fast')).toBe(1)
    for (const profile of PROFILES) {
      expect(CATEGORY_NAMES.reduce((sum, category) => sum + categoryUs(profile, category), 0)).toBeCloseTo(profile.cpuUsPerRequest)
    }
    expect(categoryTable(PROFILES)).toBe([
      '| CPU for each request, us | TAS | C epoll |',
      '| --- | --: | --: |',
      '| fast path (JavaScript) | 1.00 | 0.00 |',
      '| kernel: TCP, IP, sockets | 0.00 | 3.00 |',
      '| kernel: link, while we send | 3.00 | 3.00 |',
      '| all | 4.00 | 6.00 |',
    ].join('\n'))
  })

  it('unmodified program -> what is left without TAS, and as part of what it takes on node:net; not of a service', () => {
    const unmodified = (server: ServerName, cpuUsPerRequest: number, samples: Profile['samples']): Profile => (
      { ...PROFILES[1], server, isUnmodified: true, cpuUsPerRequest, samples }
    )
    const lines = categoryTable([
      unmodified('tas', 9, new Map([['fast', 1]])),
      unmodified('tasEmbedded', 8, new Map([['fast', 1], ['library', 1], ['addon', 1], ['slow', 1], ['runtime', 4]])),
      unmodified('nodeNet', 10, new Map([['runtime', 1]])),
    ]).split('\n')
    expect(lines).toContain("| all but TAS's own part | - | 4.00 | 10.00 |")
    expect(lines).toContain("| the same, of node:net's | - | 0.40 | 1.00 |")
    expect(categoryTable(PROFILES)).not.toContain('own part')
  })

  it('counts -> a dash where nothing was counted, lines without any left out', () => {
    const lines = countTable(PROFILES).split('\n')
    expect(lines).toContain('| requests/s | 123,456 | 100,000 |')
    expect(lines).toContain('| system calls of a request | 0.250 | - |')
    expect(lines).toContain('| frames in a pass of the worker | 12.0 | - |')
    expect(lines).toContain('| a pass of the worker, p99.99, us | 900 | - |')
    expect(countTable(PROFILES.slice(1))).not.toContain('worker')
  })

  it('functions of the worker -> hottest first, beside those outside of the kernel; none without a worker', () => {
    expect(functionTable(PROFILES[0])?.split('\n').slice(2)).toEqual([
      '| `tcp_ack (kernel)` | 75.0 | `frames (service/fast/steps.ts)` | 25.0 |',
      '| `frames (service/fast/steps.ts)` | 25.0 |  |  |',
    ])
    expect(functionTable(PROFILES[1])).toBeNull()
  })

  it('plot -> a bar for each server, a colour of its own for each category, and SVG', async () => {
    const chart = profileChart(PROFILES)
    expect(chart.bars).toEqual(['TAS', 'C epoll'])
    const { series } = profileChart([{ ...PROFILES[0], samples: new Map(CATEGORY_NAMES.map((name) => [name, 1])) }])
    expect(new Set(series.map(([, colour]) => colour)).size).toBe(CATEGORY_NAMES.length)
    expect(chart.parts.filter(({ bar }) => bar === 'TAS').reduce((sum, { value }) => sum + value, 0)).toBeCloseTo(4)
    const svg = await drawBars(chart)
    for (const title of [CATEGORIES.fast, CATEGORIES.link, 'C epoll', '64 connections']) expect(svg).toContain(title)
  })

  it('page -> plot, a part for each scene, conditions', () => {
    const page = profilePage([...PROFILES, { ...PROFILES[1], scene: '1 connection' }], ['Node 20', 'one run'], 'bench/profile.svg')
    expect(page.match(/^##? .*$/gm)).toEqual(['# Where each microsecond of a request goes', '## 64 connections', '## 1 connection', '## Conditions'])
    expect(page).toContain('](bench/profile.svg)')
    expect(page).toContain('Node 20  \none run\n')
    expect(page).toContain(categoryTable(PROFILES))
  })
})
