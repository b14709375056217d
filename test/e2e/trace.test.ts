/** `tas trace` on a live service. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { TAS_ADDRESS, compiled, until, type Process } from '../../tools/netlab/index.js'
import { describeHosts, type Hosts } from './harness.js'
import { openFromLinux } from './pairs.js'

const runFile = promisify(execFile)
const MAIN = compiled('service/main.js')
const SYN = 2
const SYN_ACK = 18
const ACK = 16

interface Line {
  readonly kind: string
  readonly source: string
  readonly local?: string
  readonly remote?: string
  readonly flags?: number
  readonly text: string
  readonly timeUs: number
}

/** Starts `tas trace`; it traces when this resolves. */
async function trace({ lab, service }: Hosts, ...args: string[]): Promise<Process> {
  const tool = lab.tas.start('trace', { command: process.execPath, args: [MAIN, 'trace', `--socket=${service.socket}`, ...args] })
  await until('tracing has begun', () => tool.errorLines.includes('tas trace: tracing; ^C ends it') || tool.exit !== null, 20_000)
  return tool
}

async function interrupt(tool: Process): Promise<void> {
  tool.child.kill('SIGINT')
  await until('it has ended', () => tool.exit !== null, 20_000)
}

/** Bytes of memory that the trace region of the service takes. */
function traceBytes({ service }: Hosts): number {
  const folder = `/proc/${service.pids()[0]}/fd`
  const fd = readdirSync(folder).find((name) => readlinkSync(join(folder, name)).includes('tas-trace'))
  return fd === undefined ? -1 : statSync(join(folder, fd)).blocks * 512
}

/** Where in `lines`, from `from` on, the first that fits stands; -1 if none does. */
function place(lines: readonly Line[], from: number, fits: (line: Line) => boolean): number {
  return from < 0 ? -1 : lines.findIndex((line, at) => at >= from && fits(line))
}

describeHosts('trace', { tasArgs: ['--socket-mode=0666'] }, hosts => {
  test('a handshake -> SYN, SYN-ACK, ACK, flow added, event, in this order; ^C ends it in good order, nothing lost', async () => {
    const tool = await trace(hosts(), '--json')
    const { socket, remote } = await openFromLinux(hosts())
    await hosts().peer.call('write', remote, Buffer.from('hello'))
    await socket.read(5)
    const { localPort, remotePort } = socket.connection
    await until('the event was shown', () => tool.lines.some((line) => line.includes('"event"')), 20_000)
    await interrupt(tool)
    expect(tool.exit).toMatchObject({ code: 0 })
    expect(tool.errorLines.at(-1)).toMatch(/^tas trace: \d+ entries, 0 lost$/)
    const all = tool.lines.map((line) => JSON.parse(line) as Line)
    const ours = all.filter(({ local, remote: end }) => local === `${TAS_ADDRESS}:${localPort}` && end?.endsWith(`:${remotePort}`) === true)
    const syn = place(ours, 0, ({ kind, flags }) => kind === 'rx' && flags === SYN)
    const synAck = place(ours, syn, ({ kind, flags, source }) => kind === 'tx' && flags === SYN_ACK && source === 'slow path')
    const ack = place(ours, synAck, ({ kind, flags }) => kind === 'rx' && flags === ACK)
    const added = place(ours, ack, ({ kind, text }) => kind === 'flow' && text.endsWith('handed to worker 0'))
    const event = place(ours, added, ({ kind }) => kind === 'event')
    expect([syn, synAck, ack, added, event].every((at) => at >= 0), ours.map(({ text }) => text).join('\n')).toBe(true)
    expect(all.map(({ timeUs }) => timeUs)).toEqual(all.map(({ timeUs }) => timeUs).sort((a, b) => a - b))
    socket.connection.abort()
  })

  test('two at once, with filters -> each its own; one is killed -> the other goes on; both gone -> memory is given back', async () => {
    const frames = await trace(hosts(), '--kind=rx,tx')
    const flows = await trace(hosts(), '--kind=flow', '--json')
    const first = await openFromLinux(hosts())
    await until('both have shown it', () => frames.lines.some((line) => / tx .* SYN ACK /.test(line))
      && flows.lines.some((line) => line.includes('ESTABLISHED')), 20_000)
    expect(frames.lines.filter((line) => !/ (rx|tx) /.test(line))).toEqual([])
    expect(flows.lines.filter((line) => !line.includes('"kind":"flow"'))).toEqual([])
    frames.child.kill('SIGKILL')
    const { length } = flows.lines
    const second = await openFromLinux(hosts())
    await until('the other goes on', () => flows.lines.slice(length).some((line) => line.includes('ESTABLISHED')), 20_000)
    expect(traceBytes(hosts())).toBeGreaterThan(4096)
    await interrupt(flows)
    await until('memory is given back', () => traceBytes(hosts()) <= 3 * 4096, 20_000)
    for (const { socket } of [first, second]) socket.connection.abort()
  })

  test('one connection by its number -> that one alone', async () => {
    const [one, other] = [await openFromLinux(hosts()), await openFromLinux(hosts())]
    const { localPort, remotePort } = one.socket.connection
    const { stdout } = await runFile(process.execPath, [MAIN, 'state', '--json', `--port=${remotePort}`, `--socket=${hosts().service.socket}`])
    const { flows: [{ flow }] } = JSON.parse(stdout) as { flows: { flow: number }[] }
    const tool = await trace(hosts(), `--flow=${flow}`)
    for (const { socket, remote } of [other, one]) {
      await hosts().peer.call('write', remote, Buffer.from('data'))
      await socket.read(4)
    }
    await until('it was shown', () => tool.lines.some((line) => line.includes(' rx ')), 20_000)
    await interrupt(tool)
    expect(tool.lines.filter((line) => !line.includes(`:${remotePort}`) || !line.includes(`:${localPort}`))).toEqual([])
    for (const { socket } of [one, other]) socket.connection.abort()
  })

  test('pcapng -> tshark reads frames of every process, comments, and TCP without complaint', async ({ skip }) => {
    const hasTshark = await runFile('tshark', ['--version']).then(() => true, () => false)
    if (!hasTshark) skip('tshark is not installed')
    const file = join(hosts().folder, 'trace.pcapng')
    const tool = await trace(hosts(), `--pcapng=${file}`)
    const { socket, remote } = await openFromLinux(hosts())
    await hosts().peer.call('write', remote, Buffer.alloc(3000))
    await socket.read(3000)
    await interrupt(tool)
    expect(tool.exit).toMatchObject({ code: 0 })
    const { localPort } = socket.connection
    const fields = ['frame.interface_name', 'tcp.flags', 'tcp.len', 'frame.comment', '_ws.malformed'].flatMap((name) => ['-e', name])
    const { stdout } = await runFile('tshark', ['-r', file, '-Y', `tcp.port == ${localPort}`, '-T', 'fields', ...fields])
    const rows = stdout.trimEnd().split('\n').map((line) => line.split('\t'))
    expect(rows.slice(0, 3).map(([from, flags]) => [from, Number(flags)])).toEqual([['worker 0', SYN], ['slow path', SYN_ACK], ['worker 0', ACK]])
    expect(rows.reduce((sum, [, , len]) => sum + Number(len), 0)).toBe(3000)
    expect(stdout).toMatch(/flow: .*handed to worker 0/)
    expect(rows.every(([, , , , malformed]) => malformed === undefined || malformed === '')).toBe(true)
    expect(readFileSync(file).readUInt32LE(0)).toBe(0x0a0d0d0a)
    socket.connection.abort()
  })

  test('--seconds -> it ends by itself; wrong options, no service, no rights, no such flow -> one line', async () => {
    const { folder, service } = hosts()
    const socket = `--socket=${service.socket}`
    const run = (args: readonly string[], as: readonly string[] = []): Promise<{ code: number; stderr: string }> => {
      const [file, ...all] = [...as, process.execPath, MAIN, 'trace', ...args]
      return runFile(file, all).then(({ stderr }) => ({ code: 0, stderr }), (error: { code: number; stderr: string }) => error)
    }
    await runFile('chmod', ['755', folder])
    expect(await run([socket, '--seconds=0.2', '--kind=flow'])).toMatchObject({ code: 0, stderr: expect.stringMatching(/entries, 0 lost\n$/) })
    expect(await run(['--kind=x'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/^tas trace: --kind: "x": want some of [^\n]*\n$/) })
    expect(await run(['--socket=/nonexistent/tas.sock'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/^tas trace: [^\n]*no tas runs there[^\n]*\n$/) })
    expect(await run([socket, '--flow=10.9.9.9:1-10.9.9.8:2', '--seconds=0.2'])).toMatchObject({ code: 0 })
    expect(await run([socket, '--flow=99999'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/there is no such flow/) })
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
    expect(await run([socket], nobody)).toMatchObject({ code: 1, stderr: 'tas trace: the service refused: user 65534 may not see the state; the user of tas and root may\n' })
  })

  test('the service ends meanwhile -> what it did until then, one line', async () => {
    const tool = await trace(hosts(), '--json')
    await hosts().service.stop()
    await until('it has noticed', () => tool.exit !== null, 20_000)
    expect(tool.exit).toMatchObject({ code: 1 })
    expect(tool.errorLines.at(-1)).toMatch(/^tas trace: --socket: "[^"]*": tas has ended$/)
  })
})
