/** `tas stat`, `tas state` and `tas trace` on a TAS within a program. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { countersName } from '../../lib/memif/index.js'
import {
  Cleanup, compiled, createLab, loadFailure, missing, namespacesRefused, nativeProgram, PREFIX_LENGTH, startLoad, TAS_ADDRESS, TAS_INTERFACE,
  uniqueName, until, type Lab, type Process,
} from '../../tools/netlab/index.js'
import type { Overview } from '../../tools/state/overview.js'
import { Peer } from './peer.js'

const runFile = promisify(execFile)
const MAIN = compiled('service/main.js')
const PORT = 7000
const TOOL_MS = 20_000
const PROGRAMS = [['in the event loop', 'echo.js'], ['that polls and blocks', 'echo-poll.js']] as const

async function findReason(): Promise<string | null> {
  const unbuilt = missing([compiled('examples/echo.js'), compiled('test/e2e/peeragent.js'), MAIN, nativeProgram('loadgen')])
  return unbuilt.length > 0 ? 'not built: npm run build' : namespacesRefused()
}

const reason = await findReason()

describe.skipIf(reason !== null)(reason === null ? 'tools on an embedded TAS' : `tools on an embedded TAS (skipped: ${reason})`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tas-embedded-'))
  const socket = join(folder, 'app.sock')
  const cleanup = new Cleanup()
  const running: Process[] = []
  let lab: Lab
  let peer: Peer

  beforeAll(async () => {
    lab = await createLab({ name: uniqueName('tas-emt') }, cleanup)
    peer = Peer.start(lab.peer)
  })
  // One that a failed test has left has the address.
  afterEach(async () => { for (const process of running.splice(0)) await process.stop('SIGKILL') })
  afterAll(async () => {
    expect(await cleanup.run()).toEqual([])
    rmSync(folder, { recursive: true })
  })

  function start(program: string, address = TAS_ADDRESS): Process {
    const args = [compiled(`examples/${program}`), '--nic', TAS_INTERFACE, '--ip-addr', `${address}/${PREFIX_LENGTH}`, '--socket', socket]
    const started = lab.tas.start(program, { command: process.execPath, args: [...args, '--port', String(PORT)] })
    running.push(started)
    return started
  }

  async function startEcho(program: string): Promise<Process> {
    const server = start(program)
    await server.line(/listening/)
    return server
  }

  async function tool(name: string, ...args: string[]): Promise<string> {
    return (await runFile(process.execPath, [MAIN, name, `--socket=${socket}`, ...args], { timeout: TOOL_MS })).stdout
  }

  const state = async (): Promise<Overview> => JSON.parse(await tool('state', '--json')) as Overview

  async function echo(connection: number, text: string): Promise<void> {
    await peer.call('write', connection, Buffer.from(text))
    expect(String(await peer.call('read', connection, text.length))).toBe(text)
  }

  test.for(PROGRAMS)('program %s, idle, with a connection -> its flow and listener, the program, counters', async ([, program]) => {
    const server = await startEcho(program)
    const connection = await peer.call('connect', TAS_ADDRESS, PORT)
    await echo(connection, 'hello')
    const { flows, apps, listeners, workers } = await state()
    expect(flows).toMatchObject([{ local: `${TAS_ADDRESS}:${PORT}`, state: 'ESTABLISHED', pid: server.child.pid, receivedBytes: 5 }])
    expect([apps?.length, listeners?.map(({ port }) => port), workers?.length]).toEqual([1, [PORT], 1])
    expect(await tool('state', `--flow=${flows[0].local}-${flows[0].remote}`)).toContain('ESTABLISHED')
    expect(JSON.parse(await tool('stat', '--json'))).toMatchObject({
      pid: server.child.pid, slow: { apps: 1, flowsEstablished: 1 }, workers: [{ rxBytes: expect.any(Number), busyUs: expect.any(Number) }],
      times: { workers: [{ passUs: { count: expect.any(Number) } }] },
    })
    expect(JSON.parse(await tool('scale', '--json'))).toMatchObject({ active: 1, workers: [{ flows: 1 }] })
    await peer.call('end', connection)
    expect(await server.stop()).toEqual({ code: 0, signal: null })
    expect([server.errorLines, existsSync(socket), existsSync(`/dev/shm${countersName(socket)}`)]).toEqual([[], false, false])
  })

  test.for(PROGRAMS)('program %s, under load -> answers, and loses nothing; times of its rounds', async ([, program]) => {
    const server = await startEcho(program)
    const load = startLoad(lab.peer, { mode: 'echo', address: TAS_ADDRESS, connections: 16, size: 64, seconds: 2, warmup: 0 })
    const busy = await until('the load is seen', async () => {
      const { flows } = await state()
      return flows.length === 16 ? flows : undefined
    }, TOOL_MS)
    expect(busy.every(({ local }) => local === `${TAS_ADDRESS}:${PORT}`)).toBe(true)
    const result = await load.result()
    expect([loadFailure(result), result.requests > 0]).toEqual([null, true])
    const { times: { workers: [{ passUs }] } } = JSON.parse(await tool('stat', '--json')) as { times: { workers: { passUs: { count: number; p50: number } }[] } }
    expect(passUs.count).toBeGreaterThan(10)
    await server.stop()
  })

  test.for(PROGRAMS)('program %s, traced -> frames, events, messages and states of both processes in one; ^C -> it goes on', async ([, program]) => {
    const server = await startEcho(program)
    const trace = lab.tas.start('trace', { command: process.execPath, args: [MAIN, 'trace', `--socket=${socket}`, '--json'] })
    running.push(trace)
    await until('tracing has begun', () => trace.errorLines.includes('tas trace: tracing; ^C ends it') || trace.exit !== null, TOOL_MS)
    const connection = await peer.call('connect', TAS_ADDRESS, PORT)
    await echo(connection, 'traced')
    const kinds = (): Set<unknown> => new Set(trace.lines.map((line) => (JSON.parse(line) as { kind: unknown }).kind))
    const wanted = ['rx', 'tx', 'flow', 'message', 'event', 'bump', 'sleep']
    await until(`all of ${wanted.join(', ')} were seen`, () => wanted.every((kind) => kinds().has(kind)) || trace.exit !== null, TOOL_MS)
    trace.child.kill('SIGINT')
    expect((await trace.exited).code).toBe(0)
    await echo(connection, 'untraced')
    await server.stop()
  })

  test('a program that wants it as its service -> refused in one line, the TAS goes on', async () => {
    const server = await startEcho('echo.js')
    const refused = lab.tas.start('run', { command: process.execPath, args: [MAIN, 'run', `--socket=${socket}`, 'true'] })
    expect((await refused.exited).code).toBe(1)
    expect(refused.errorLines).toEqual([expect.stringMatching(/^tas run: EOPNOTSUPP: .*this TAS is a program's own and takes no others/)])
    const connection = await peer.call('connect', TAS_ADDRESS, PORT)
    await echo(connection, 'goes on')
    await server.stop()
  })

  test('socket of a TAS that runs -> refused in one line; of one that was killed -> taken over', async () => {
    const first = await startEcho('echo.js')
    const second = start('echo.js', '10.77.0.9')
    expect((await second.exited).code).toBe(1)
    expect(second.errorLines).toEqual([expect.stringMatching(/^EADDRINUSE: --socket: ".*app\.sock": another tas \(or something else\) is there/)])
    await first.stop('SIGKILL')
    const third = await startEcho('echo.js')
    expect((await state()).apps).toMatchObject([{ pid: third.child.pid }])
    await third.stop()
  })
})
