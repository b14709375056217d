/** How programs get onto TAS: `tas run`, --import, --require, NODE_OPTIONS; and what stands against it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compiled, TAS_ADDRESS } from '../../tools/netlab/index.js'
import { parseRunOptions } from '../../tools/run/options.js'
import { describeHosts, type Hosts } from '../e2e/harness.js'
import { EMBEDDED_ADDRESS, embeddedTas, type Ended, endOf, INTERPOSE, nodes, scenario, startProgram } from './programs.js'

const TAS = compiled('service/main.js')
/** A case that only a program on TAS can pass: the kernel has nobody at HOST. */
const CASE = 'names of both ends'

function end({ lab, service }: Hosts, args: readonly string[], env: Record<string, string> = {}, node = process.execPath): Promise<Ended> {
  return endOf(lab.tas, node, args, { HOST: TAS_ADDRESS, ...service.env, ...env })
}

describe('tas run: options', () => {
  it.each([
    [['node', 'app.js', '--help'], { socket: null, embedded: [], command: 'node', args: ['app.js', '--help'] }],
    [['--socket=/x', '--', '-app', '--'], { socket: '/x', embedded: [], command: '-app', args: ['--'] }],
    [['--nic=eth0', '--ip-addr=10.0.0.1/24', 'node', '--x'],
      { socket: null, embedded: ['--nic=eth0', '--ip-addr=10.0.0.1/24'], command: 'node', args: ['--x'] }],
    [['--nic=eth0', '--socket=app.sock', '--ip-addr=10.0.0.1/24', 'node'],
      { socket: null, embedded: ['--nic=eth0', '--ip-addr=10.0.0.1/24', `--socket=${resolve('app.sock')}`], command: 'node', args: [] }],
    [['--cc=./my own.js', '--', 'node'], { socket: null, embedded: [`--cc=${resolve('my own.js')}`], command: 'node', args: [] }],
    [['--help'], null],
  ])('%j -> parsed', (argv, options) => {
    expect(parseRunOptions(argv)).toEqual(options)
  })

  it.each([
    [['--socket', '/x', 'node'], '--socket: want its path behind "="'],
    [[], 'want a command'], [['--'], 'want a command'], [['--socket=', 'x'], '--socket: value is missing'],
  ])('%j -> one line', (argv, message) => {
    expect(() => parseRunOptions(argv)).toThrow(message)
  })
})

describeHosts('ways onto TAS', {}, (hosts) => {
  const passes = ({ code, lines }: Ended): void => {
    expect(code).toBe(0)
    expect(lines.map((line) => JSON.parse(line) as { error: unknown })).toMatchObject([{ error: null }])
  }

  it.each([...nodes])('$name: --import, --require, NODE_OPTIONS -> on TAS, nothing printed', async ({ path }) => {
    const program = [scenario('net'), CASE]
    for (const [args, env] of [
      [['--import', INTERPOSE, ...program], {}], [['--require', INTERPOSE, ...program], {}], [program, { NODE_OPTIONS: `--import ${INTERPOSE}` }],
    ] as const) {
      const ended = await end(hosts(), args, env, path)
      passes(ended)
      expect(ended.errorLines).toEqual([])
    }
  })

  describe.each([...nodes])('$name', ({ path }) => {
    it.each([
      '--no-deprecation', '--throw-deprecation', '--pending-deprecation', '--trace-deprecation', '--disable-proto=throw', '--jitless',
      '--disallow-code-generation-from-strings', '--experimental-vm-modules', '--enable-source-maps', '--unhandled-rejections=strict',
    ])('%s -> on TAS, nothing printed', async (option) => {
      const ended = await end(hosts(), [option, '--import', INTERPOSE, scenario('net'), CASE], {}, path)
      passes(ended)
      expect(ended.errorLines.filter((line) => !line.startsWith('Warning: disabling flag'))).toEqual([])
    })

    it.each(['--no-deprecation', '--pending-deprecation'])('NODE_OPTIONS=%s -> on TAS, nothing printed', async (option) => {
      const ended = await end(hosts(), [scenario('net'), CASE], { NODE_OPTIONS: `${option} --import ${INTERPOSE}` }, path)
      passes(ended)
      expect(ended.errorLines).toEqual([])
    })

    it('--frozen-intrinsics -> on TAS', async () => {
      passes(await end(hosts(), ['--frozen-intrinsics', '--import', INTERPOSE, scenario('net'), CASE], {}, path))
    })

    it('--pending-deprecation -> the program is warned of what it does itself', async () => {
      const program = 'process.binding("uv"); console.log(process.noDeprecation)'
      const ended = await end(hosts(), ['--pending-deprecation', '--import', INTERPOSE, '-e', program], {}, path)
      expect([ended.code, ended.lines]).toEqual([0, ['undefined']])
      expect(ended.errorLines.join()).toContain('DEP0111')
    })

    it('--no-addons -> one line; the kernel, or the end, as chosen', async () => {
      const program = ['--no-addons', '--import', INTERPOSE, '-e', 'require("net").connect(9, "127.0.0.1").on("error", (error) => console.log(error.code))']
      const kernel = await end(hosts(), program, {}, path)
      expect([kernel.code, kernel.lines]).toEqual([0, ['ECONNREFUSED']])
      expect(kernel.errorLines).toEqual([expect.stringMatching(/lacks.*addons.*--no-addons.*uses the kernel/)])
      const stop = await end(hosts(), program, { TASJS_INTERPOSE_MISSING: 'stop' }, path)
      expect([stop.code, stop.lines]).toEqual([2, []])
    })
  })

  it('a program under a CPU profiler, whose signals end waits early -> on TAS', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tas-prof-'))
    try {
      passes(await end(hosts(), ['--cpu-prof', '--cpu-prof-interval=200', `--cpu-prof-dir=${folder}`, '--import', INTERPOSE, scenario('net'), CASE]))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('tas run -> on TAS; exit code and signal of the program', async () => {
    passes(await end(hosts(), [TAS, 'run', process.execPath, scenario('net'), CASE]))
    expect((await end(hosts(), [TAS, 'run', '--', 'sh', '-c', 'exit 7'])).code).toBe(7)
    expect((await end(hosts(), [TAS, 'run', 'no-such-command'])).code).toBe(127)
    const { lab, service } = hosts()
    const waiting = lab.tas.start('waiting', {
      command: process.execPath,
      args: [TAS, 'run', process.execPath, '-e', 'process.on("SIGTERM", () => process.exit(9)); console.log("up"); setInterval(() => {}, 1e9)'],
      env: { ...service.env },
    })
    await waiting.line(/^up$/)
    waiting.child.kill('SIGTERM')
    expect((await waiting.exited).code).toBe(9)
  })

  it('wrong settings, no service -> one line and an exit code', async () => {
    const wrong = await end(hosts(), [TAS, 'run', 'true'], { TASJS_INTERPOSE_CONNECT: 'somewhere' })
    expect([wrong.code, wrong.errorLines]).toEqual([2, [expect.stringContaining('TASJS_INTERPOSE_CONNECT: "somewhere"')]])
    const lonely = await end(hosts(), [TAS, 'run', '--socket=/nowhere.sock', 'true'])
    expect([lonely.code, lonely.errorLines]).toEqual([1, [expect.stringContaining('no TAS service at /nowhere.sock')]])
    const direct = await end(hosts(), ['--import', INTERPOSE, '-e', ''], { TASJS_INTERPOSE_KERNEL_LISTEN: 'maybe' })
    expect([direct.code, direct.errorLines]).toEqual([2, ['tasjs/interpose: TASJS_INTERPOSE_KERNEL_LISTEN: "maybe": want loopback, all, none']])
  })

  it('an internal is missing -> one line; the kernel, or the end, as chosen', async () => {
    const hide = ['--import', `data:text/javascript,process._tickCallback=undefined`, '--import', INTERPOSE, '-e', 'console.log("runs")']
    const kernel = await end(hosts(), hide)
    expect([kernel.code, kernel.lines, kernel.errorLines.length]).toEqual([0, ['runs'], 1])
    expect(kernel.errorLines[0]).toMatch(new RegExp(`Node ${process.version} lacks.*_tickCallback.*uses the kernel`))
    const stop = await end(hosts(), hide, { TASJS_INTERPOSE_MISSING: 'stop' })
    expect([stop.code, stop.lines]).toEqual([2, []])
  })

  it('a rule for the kernel -> not on TAS', async () => {
    const ended = await end(hosts(), ['--import', INTERPOSE, scenario('net'), 'connection refused'], { TASJS_INTERPOSE_CONNECT: 'kernel *' })
    expect(JSON.parse(ended.lines[0])).toMatchObject({ seen: { error: { code: 'EHOSTUNREACH' } } })
  }, 30_000)

  it('a server on a TAS of its own or a connecting socket sent to another process -> an error that says why', async () => {
    const { lab, cleanup } = hosts()
    const program = startProgram(lab.tas, cleanup, scenario('sender'), { env: { HOST: EMBEDDED_ADDRESS } }, embeddedTas(lab))
    const answers = JSON.parse(await program.line(/^\[/)) as string[]
    expect(answers).toEqual([expect.stringContaining('no other process or thread has a TAS'), expect.stringContaining('it is not connected')])
    expect((await program.exited).code).toBe(0)
  })
})
