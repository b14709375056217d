import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  COUNTERS_BYTES, COUNTERS_PID, COUNTERS_START_MS, COUNTERS_WORKERS, countersName, encodeControl, LAYOUT_VERSION,
} from '../../../lib/memif/index.js'
import { closeFd, connectUnix, receiveMessage, sendMessage } from '../../../native/index.js'
import { until } from '../../../tools/netlab/index.js'
import { missingNetwork, missingTap, PAIR, Place, ROOT, runTas, runTasInNamespace, startOnTap, startTas, startWithHost, type Run } from './run.js'

let place: Place
let tas: Run | null

beforeEach(() => {
  place = new Place()
  tas = null
})

afterEach(async () => {
  if (tas !== null) await tas.signal('SIGKILL')
  place.remove()
})

/** Process ids of the workers of a service. */
function workersOf(run: Run): number[] {
  const children = readFileSync(`/proc/${run.pid}/task/${run.pid}/children`, 'utf8')
  return children.trim().split(' ').filter((pid) => pid !== '').map(Number)
}

/** Sockets and eventfds of a process. Files and pipes come and go while it starts. */
function countWaking(pid: number): number {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      // Closed meanwhile.
      return ''
    }
  })
  return links.filter((link) => /^(socket:|anon_inode:\[eventfd\])/.test(link)).length
}

function isGone(pid: number): boolean {
  return !existsSync(`/proc/${pid}`) || / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

/** One message of the control socket, which blocks. */
function receive(fd: number): { message: Record<string, unknown>; fds: number[] } {
  const bytes = new Uint8Array(1024)
  const received = receiveMessage(fd, bytes)
  const text = new TextDecoder().decode(bytes.subarray(0, received?.lenBytes ?? 0))
  return { message: JSON.parse(text) as Record<string, unknown>, fds: received?.fds ?? [] }
}

const SHM_PROGRAM = `
  const counters = require('shm-typed-array').get(process.argv[1], 'Float64Array')
  process.stdout.write(JSON.stringify({ length: counters.length, values: Array.from(counters.subarray(0, 8)) }) + '\\n')
  process.exit(0)
`

/** Why the optional package cannot be used here, or ''. In a process of its own: it may be built for another Node. */
function missingShm(): string {
  const { status } = spawnSync(process.execPath, ['-e', 'require("shm-typed-array")'], { cwd: ROOT })
  return status === 0 ? '' : 'the optional package is not built here'
}

const withoutShm = missingShm()

describe.skipIf(missingNetwork !== '')(`tas: life of a service (${missingNetwork || 'has a network'})`, () => {
  it('ready -> said once on --ready-fd and in the log, socket and counters are there', async () => {
    tas = await startTas(place)
    expect(tas.ready).toBe('ready\n')
    expect(tas.stderr.match(/ready/g)?.length).toBeGreaterThan(0)
    expect(tas.stderr).toMatch(/serving.*hugePages|hugePages.*serving/)
    expect(statSync(place.socket).mode & 0o777).toBe(0o600)
    expect(statSync(place.shm).mode & 0o777).toBe(0o644)
    expect(workersOf(tas)).toHaveLength(1)
  })

  it.each(['SIGTERM', 'SIGINT'] as const)('%s -> exit 0, nothing left', async (signal) => {
    tas = await startTas(place)
    const workers = workersOf(tas)
    expect(await tas.signal(signal)).toMatchObject({ code: 0, stdout: '' })
    expect(place.isClean).toBe(true)
    expect(workers.every(isGone)).toBe(true)
  })

  it('SIGTERM while it starts -> exit 0, never ready, nothing left', async () => {
    const run = runTasInNamespace(PAIR, ['--ip-addr=10.77.0.2/24', '--nic=ts-v0', `--socket=${place.socket}`, '--ready-fd=3', '--log-level=debug'])
    tas = run
    await run.until(() => run.stderr.includes('worker started'))
    const ended = await run.signal('SIGTERM')
    expect(ended.code).toBe(0)
    expect(run.ready).toBe('')
    expect(place.isClean).toBe(true)
  })

  it('second signal while a worker hangs -> ends at once, nothing left', async () => {
    tas = await startTas(place)
    const run = tas
    const [worker] = workersOf(run)
    process.kill(worker, 'SIGSTOP')
    run.child.kill('SIGTERM')
    await run.until(() => run.stderr.includes('stopping'))
    expect(await run.signal('SIGINT')).toMatchObject({ code: 130 })
    expect(place.isClean).toBe(true)
  })

  it('quiet -> no line at all from start to end', async () => {
    tas = await startTas(place, ['--quiet'])
    expect(await tas.signal('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
  })

  it('json log -> every line is an object', async () => {
    tas = await startTas(place, ['--log-json'])
    const { stderr } = await tas.signal('SIGTERM')
    for (const line of stderr.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg')
  })

  const tapTitle = 'behind a TAP device, or with one for the host kernel -> ready, and the device goes with the service'
  it.skipIf(missingTap !== '')(`${tapTitle} (${missingTap || 'can make one'})`, async () => {
    for (const start of [startOnTap, startWithHost]) {
      tas = await start(place)
      expect(await tas.signal('SIGTERM')).toMatchObject({ code: 0 })
      expect(place.isClean).toBe(true)
    }
  })

  it('second tas on the same socket -> exit 1, the first goes on', async () => {
    tas = await startTas(place)
    const second = await runTas(['--ip-addr=10.78.0.2/24', '--nic=lo', `--socket=${place.socket}`, '--quiet']).ended
    expect(second.code).toBe(1)
    expect(second.stderr).toMatch(/^tas: --socket: "[^"]*": another tas \(or something else\) is there; [^\n]*\n$/)
    const stat = await runTas(['stat', `--socket=${place.socket}`]).ended
    expect(stat).toMatchObject({ code: 0, stderr: '' })
    expect(existsSync(place.socket)).toBe(true)
  })

  it('killed -> workers end, and the next one takes over what is left', async () => {
    const first = await startTas(place)
    const workers = workersOf(first)
    await first.signal('SIGKILL')
    expect(existsSync(place.shm)).toBe(true)
    const late = await runTas(['stat', `--socket=${place.socket}`]).ended
    expect(late.stderr).toMatch(/has ended/)
    tas = await startTas(place)
    expect(workers.every(isGone)).toBe(true)
  })

  it('worker killed -> another one takes its place', async () => {
    tas = await startTas(place)
    const run = tas
    const [worker] = workersOf(run)
    process.kill(worker, 'SIGKILL')
    await run.until(() => run.stderr.includes('worker is back'))
    expect(workersOf(run)).not.toContain(worker)
    expect(await run.signal('SIGTERM')).toMatchObject({ code: 0 })
  })

  it('worker that dies again and again -> exit 1, nothing left', async () => {
    tas = await startTas(place)
    const run = tas
    for (let deaths = 1; deaths <= 5; deaths++) {
      process.kill(workersOf(run)[0], 'SIGKILL')
      const backs = deaths
      if (deaths < 5) await run.until(() => (run.stderr.match(/worker is back/g)?.length ?? 0) >= backs)
    }
    const ended = await run.ended
    expect(ended.code).toBe(1)
    expect(ended.stderr).toMatch(/tas: fast path: worker 0 died too often, last with signal SIGKILL\n$/)
    expect(place.isClean).toBe(true)
  })

  it('application -> welcome with descriptors, context with its eventfd and life descriptor, told when the service stops', async () => {
    tas = await startTas(place)
    const fd = connectUnix(place.socket)
    sendMessage(fd, encodeControl({ op: 'hello', version: LAYOUT_VERSION, name: 'test' }))
    const welcome = receive(fd)
    expect(welcome.message).toMatchObject({ op: 'welcome', app: 1, workers: 1 })
    expect(welcome.fds).toHaveLength(4)
    sendMessage(fd, encodeControl({ op: 'context' }))
    const grant = receive(fd)
    expect(grant).toMatchObject({ message: { op: 'context', context: 0 } })
    expect(grant.fds).toHaveLength(2)
    const ended = tas.signal('SIGTERM')
    expect(receive(fd).message).toMatchObject({ op: 'error', code: 'ESHUTDOWN' })
    expect(await ended).toMatchObject({ code: 0 })
    for (const open of [fd, ...welcome.fds, ...grant.fds]) closeFd(open)
  })

  it('application that breaks off, again and again -> no descriptor is left', async () => {
    tas = await startTas(place)
    const run = tas
    const count = (): number => readdirSync(`/proc/${run.pid}/fd`).length
    let before = 0
    for (let round = 1; round <= 20; round++) {
      const fd = connectUnix(place.socket)
      sendMessage(fd, encodeControl({ op: 'hello', version: LAYOUT_VERSION, name: 'brief' }))
      const welcome = receive(fd)
      sendMessage(fd, encodeControl({ op: 'context' }))
      const grant = receive(fd)
      for (const open of [fd, ...welcome.fds, ...grant.fds]) closeFd(open)
      await run.until(() => (run.stderr.match(/application ended/g)?.length ?? 0) === round)
      // Not before the first: --ready-fd is closed a moment after its line came.
      if (round === 1) before = count()
    }
    expect(count()).toBe(before)
  })

  it('contexts that come and go, more than there can be and than are granted in a second -> no descriptor is left, in service and worker', async () => {
    tas = await startTas(place)
    const run = tas
    const count = (): number[] => [run.pid, ...workersOf(run)].map(countWaking)
    const [, without] = count()
    const fd = connectUnix(place.socket)
    sendMessage(fd, encodeControl({ op: 'hello', version: LAYOUT_VERSION, name: 'fickle' }))
    const welcome = receive(fd)
    const grant = (): readonly number[] => {
      sendMessage(fd, encodeControl({ op: 'context' }))
      const { message, fds } = receive(fd)
      expect(message).toMatchObject({ op: 'context' })
      return fds
    }
    const first = grant()
    await until('the worker has the context', () => count()[1] === without + 1)
    const before = String(count())
    first.forEach(closeFd)
    for (let round = 0; round < 200; round++) grant().forEach(closeFd)
    const last = grant()
    await until('the others are gone', () => String(count()) === before)
    for (const open of [fd, ...welcome.fds, ...last]) closeFd(open)
  })

  it('stat -> text, and JSON with every worker', async () => {
    tas = await startTas(place)
    const text = await runTas(['stat', '--all', `--socket=${place.socket}`]).ended
    expect(text.stdout).toMatch(/^tas, process \d+, running for /)
    expect(text.stdout).toMatch(/^ {2}dropChecksum +0$/m)
    const json = await runTas(['stat', '--json', `--socket=${place.socket}`]).ended
    expect(JSON.parse(json.stdout)).toMatchObject({ pid: tas.pid, slow: { apps: 0 }, workers: [{ flows: 0 }] })
  })

  it.skipIf(withoutShm !== '')(`counters: shm-typed-array attaches (${withoutShm || 'builds here'})`, async () => {
    tas = await startTas(place)
    const { stdout } = spawnSync(process.execPath, ['-e', SHM_PROGRAM, countersName(place.socket)], { cwd: ROOT, encoding: 'utf8' })
    const { length, values } = JSON.parse(stdout.split('\n')[0]) as { length: number; values: number[] }
    expect(length).toBe(COUNTERS_BYTES / 8 - 1)
    expect(values[COUNTERS_PID - 1]).toBe(tas.pid)
    expect(values[COUNTERS_WORKERS - 1]).toBe(1)
    expect(values[COUNTERS_START_MS - 1]).toBeGreaterThan(1e12)
  })
})
