/** The real `tas-linkem` between two network namespaces, with the Linux kernel on both sides. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  Cleanup, compiled, cpuSeconds, createEmulatedLab, KERNEL_ADDRESS, loadFailure, missing, namespacesRefused, nativeProgram, startLoad, startProcess,
  startService, TAS_ADDRESS, pause, uniqueName, type EmulatedLab,
} from '../../tools/netlab/index.js'

const unbuilt = missing([compiled('tools/linkem/main.js'), nativeProgram('loadgen'), nativeProgram('epoll_server')])
const reason = unbuilt.length > 0 ? 'not built: npm run build' : await namespacesRefused()

describe('tas-linkem: refusals', () => {
  const run = async (...args: string[]): Promise<[number | null, string[]]> => {
    const linkem = startProcess('tas-linkem', { command: process.execPath, args: [compiled('tools/linkem/main.js'), ...args] })
    const { code } = await linkem.exited
    return [code, linkem.errorLines]
  }

  test.skipIf(unbuilt.length > 0)('wrong usage -> one line, exit code 2', async () => {
    expect(await run('--loss=x', 'a', 'b')).toEqual([2, ['tas-linkem: --loss: "x": want a probability from 0 to 1 or from 0% to 100%, as in 0.01 or 1%']])
  })

  test.skipIf(unbuilt.length > 0)('no such interface -> one line, exit code 1', async () => {
    const [code, lines] = await run('tl-nowhere', 'b')
    expect([code, lines.length]).toEqual([1, 1])
    expect(lines[0]).toMatch(/^tas-linkem: tl-nowhere: ENODEV/)
  })
})

describe.skipIf(reason !== null)(`tas-linkem between two namespaces${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  const cleanup = new Cleanup()
  let lab: EmulatedLab
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tas-linkem-'))
    cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
    lab = await createEmulatedLab({ name: uniqueName('tas-linkem'), link: ['--delay=20ms'] }, cleanup)
    const server = lab.tas.start('epoll_server', { command: nativeProgram('epoll_server') })
    await server.line(/ready/)
  })
  afterAll(async () => { expect(await cleanup.run()).toEqual([]) })

  /** Every byte compared. */
  async function verify(connections: number, size: number): Promise<void> {
    const result = await startLoad(lab.peer, { mode: 'verify', address: KERNEL_ADDRESS, connections, size, rounds: 2 }).result()
    expect(loadFailure(result)).toBeNull()
    expect(result.requests).toBe(connections * 2)
  }

  test('ping over 20 ms -> round trips of 40 ms and little more', async () => {
    const text = await lab.peer.run('ping', ['-c', '4', '-i', '0.05', KERNEL_ADDRESS])
    const times = [...text.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms))
    expect(times.length).toBe(4)
    // The first asks for addresses before. A loaded machine may be late, but never early.
    expect(Math.min(...times)).toBeGreaterThanOrEqual(40)
    expect(Math.min(...times)).toBeLessThan(60)
  })

  test('TCP under loss, duplication, reordering and corruption -> every byte right, faults counted', async () => {
    const file = join(folder, 'link.pcapng')
    await lab.relink([
      '--rate=200mbit', '--delay=1ms', '--loss=1%', '--burst-loss=0.2%,30%', '--duplicate=1%', '--reorder=2%,2ms', '--corrupt=0.5%',
      `--capture=${file}`, '--snaplen=96', '--seed=5',
    ])
    await verify(10, 200_000)
    const { ab, ba } = await lab.relink([])
    for (const name of ['lost', 'lostBurst', 'duplicated', 'heldBack', 'corrupted']) expect([name, ab[name] + ba[name] > 0]).toEqual([name, true])
    expect([ab.overrun, ab.malformed, ab.tooLong, ab.sendLost]).toEqual([0, 0, 0, 0])
    const capture = await readFile(file)
    expect(capture.readUInt32LE(0)).toBe(0x0a0d0d0a)
    for (const text of ['tas1', 'peer1', 'lost in a burst', 'duplicated', 'held back', 'corrupted']) expect([text, capture.includes(text)]).toEqual([text, true])
  })

  test('path with a smaller MTU -> ICMP tells the senders, every byte right', async () => {
    await lab.relink(['--mtu=1200'])
    await verify(2, 100_000)
    const { ab, ba } = await lab.relink([])
    expect(ab.droppedMtu + ba.droppedMtu).toBeGreaterThan(0)
    expect(ab.icmp + ba.icmp).toBe(ab.droppedMtu + ba.droppedMtu)
  })

  test('tas behind the link -> its own MAC address is reached', async () => {
    await lab.relink(['--delay=2ms'])
    const service = await startService(lab, { folder })
    expect(await lab.peer.run('ping', ['-c', '3', '-i', '0.05', '-W', '2', TAS_ADDRESS])).toMatch(/ 0% packet loss/)
    await service.stop()
  })

  test('TCP over IPv6, super-segments included -> every byte right', async () => {
    await lab.relink([])
    for (const [side, address] of [[lab.tas, 'fd77::1/64'], [lab.peer, 'fd77::2/64']] as const) {
      await side.sysctl(`net.ipv6.conf.${side.interface}.disable_ipv6`, 0)
      await side.run('ip', ['address', 'add', address, 'dev', side.interface, 'nodad'])
    }
    const sender = `require('net').createServer((s) => s.end(Buffer.alloc(3e6, 'abcdefg'))).listen(7000, 'fd77::1', () => console.log('ready'))`
    const receiver = `const parts = []; require('net').connect(7000, 'fd77::1').on('data', (d) => parts.push(d))
      .on('end', () => console.log(Buffer.compare(Buffer.concat(parts), Buffer.alloc(3e6, 'abcdefg'))))`
    const serving = lab.tas.start('sender', { command: process.execPath, args: ['-e', sender] })
    await serving.line(/ready/)
    expect(await lab.peer.run(process.execPath, ['-e', receiver])).toBe('0')
    await serving.stop()
    const { ab } = await lab.relink([])
    expect([ab.malformed, ab.tooLong]).toEqual([0, 0])
    // No super-segment went through as one packet.
    expect(ab.packets).toBeGreaterThan(3e6 / 1500)
  })

  test('nothing to do -> no CPU time', async () => {
    await lab.peer.run('ping', ['-c', '1', KERNEL_ADDRESS])
    await pause(100)
    const before = cpuSeconds([lab.process.pid])
    await pause(500)
    // A tick or two of 10 ms are Node's own, such as a compilation that ends; polling would be fifty.
    expect(cpuSeconds([lab.process.pid]) - before).toBeLessThan(0.05)
  })

  test('SIGINT -> counters, exit code 0', async () => {
    const emulator = lab.process
    emulator.kill('SIGINT')
    expect(await emulator.exited).toEqual({ code: 0, signal: null })
    expect(JSON.parse(emulator.lines.at(-1) ?? '')).toMatchObject({ event: 'counters' })
  })
})
