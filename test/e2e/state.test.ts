/** `tas state` on a live service. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { compiled, until } from '../../tools/netlab/index.js'
import type { Overview } from '../../tools/state/overview.js'
import { describeHosts } from './harness.js'
import { openFromTas } from './pairs.js'

const runFile = promisify(execFile)
const MAIN = compiled('service/main.js')
/** Of nobody: no file is his. */
const NOBODY = 65_534

interface Ended { readonly code: number; readonly stdout: string; readonly stderr: string }

async function run(args: readonly string[], uid?: number): Promise<Ended> {
  const [file, all] = uid === undefined ? [process.execPath, args]
    : ['setpriv', [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', process.execPath, ...args]]
  try {
    return { code: 0, ...await runFile(file, [...all]) }
  } catch (error) {
    return error as Ended
  }
}

describeHosts('state', { tasArgs: ['--socket-mode=0666'] }, hosts => {
  const state = (...args: string[]): Promise<Ended> => run([MAIN, 'state', `--socket=${hosts().service.socket}`, ...args])

  test('an established connection -> its row, its context and program, one TCB in full with the numbers of both ends', async () => {
    const { peer } = hosts()
    const { socket, remote } = await openFromTas(hosts())
    const { localAddress, localPort, remoteAddress, remotePort } = socket.connection
    await socket.write(Buffer.alloc(5_000))
    await peer.call('read', remote, 5_000)
    await peer.call('write', remote, Buffer.alloc(300))
    await socket.read(300)
    const overview = JSON.parse((await state('--json')).stdout) as Overview
    const row = overview.flows.find(({ local }) => local === `${localAddress}:${localPort}`)
    expect(row).toMatchObject({
      state: 'ESTABLISHED', remote: `${remoteAddress}:${remotePort}`, pid: process.pid, ackedBytes: 5_000, receivedBytes: 300, inFlightBytes: 0, mssBytes: 1448,
    })
    expect(overview.workers).toMatchObject([{ worker: 0, flows: 1 }])
    expect(overview.apps?.map(({ pid }) => pid)).toEqual([process.pid])
    expect(overview.contexts?.[0]).toMatchObject({ app: 1, isBlocked: false, requests: [0, expect.any(Number)] })
    const ends = `${remoteAddress}:${remotePort}-${localAddress}:${localPort}`
    const { flow } = JSON.parse((await state('--json', `--flow=${ends}`)).stdout) as { flow: { tcb: Record<string, number>; row: unknown } }
    expect(flow).toMatchObject({ local: `${localAddress}:${localPort}`, connection: { isActive: true }, congestion: { algorithm: expect.any(String) } })
    expect([flow.tcb['acked'], flow.tcb['mss'], flow.tcb['sndNxt'] - flow.tcb['sndUna'], flow.tcb['rcvNxt'] - flow.tcb['rcvRead']]).toEqual([5_000, 1448, 0, 0])
    const text = (await state(`--flow=${String(row?.flow)}`)).stdout
    expect(text).toContain(`${localAddress}:${localPort} - ${remoteAddress}:${remotePort}  ESTABLISHED  test (${process.pid})`)
    expect(text).toMatch(new RegExp(`^ {2}sndUna +${flow.tcb['sndUna']} {2}seq$`, 'm'))
    expect((await state()).stdout).toMatch(new RegExp(`^ +${String(row?.flow)} +ESTABLISHED +${localAddress}:${localPort} +${remoteAddress}:${remotePort} +test`, 'm'))
    socket.connection.abort()
  })

  test('filters -> what fits; a listener', async () => {
    const { tas } = hosts()
    const listener = await tas.listen(5400)
    const { socket } = await openFromTas(hosts())
    const { localPort } = socket.connection
    const count = async (...args: string[]): Promise<number> => (JSON.parse((await state('--json', ...args)).stdout) as Overview).flows.length
    expect(await Promise.all([
      count(`--port=${localPort}`), count('--port=1'), count(`--port=${localPort}`, '--state=CLOSING'), count(`--pid=${process.pid}`, `--port=${localPort}`),
    ])).toEqual([1, 0, 0, 1])
    expect((await state()).stdout).toMatch(/^ +\d+ +\d+ +\*:5400 /m)
    listener.close()
    socket.connection.abort()
  })

  test('no such flow, wrong options, no service -> one line, exit codes as tas stat', async () => {
    expect(await state('--flow=10.9.9.9:1-10.9.9.8:2')).toMatchObject({ code: 1, stderr: 'tas state: --flow: there is no such flow; tas state lists all\n' })
    expect(await state('--state=x')).toMatchObject({ code: 2, stderr: expect.stringMatching(/^tas state: --state: "x": want one of [^\n]*\n$/) })
    expect(await run([MAIN, 'state', '--socket=/nonexistent/tas.sock'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/no tas runs there/) })
    expect(await run([MAIN, 'state', '--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('--flow <FLOW>') })
  })

  test('another user whom --socket-mode lets in -> refused in one line; the service goes on', async () => {
    // The socket's folder is root's: whoever is to come to it must have been let in.
    await runFile('chmod', ['755', hosts().folder])
    const ended = await run([MAIN, 'state', `--socket=${hosts().service.socket}`], NOBODY)
    expect(ended).toMatchObject({ code: 1, stderr: `tas state: the service refused: user ${NOBODY} may not see the state; the user of tas and root may\n` })
    expect((await state()).code).toBe(0)
  })

  test('--watch: the service ends meanwhile -> one line', async () => {
    const { lab, service } = hosts()
    const watching = lab.tas.start('state', { command: process.execPath, args: [MAIN, 'state', '--json', '--watch', `--socket=${service.socket}`] })
    await watching.line(/"flows"/, 20_000)
    await service.stop()
    await until('it has noticed', () => watching.exit !== null, 20_000)
    expect(watching.exit).toMatchObject({ code: 1 })
    expect(watching.errorLines.join('\n')).toMatch(/^tas state: .*(tas has ended|the service refused: .*)$/)
  })
})
