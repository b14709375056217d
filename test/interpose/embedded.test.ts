/** Programs with a TAS of their own: how they get it, who of a program has it, and how they end; beside a service where both must do the same. */
import { describe, expect, it } from 'vitest'
import { compiled, KERNEL_ADDRESS, PEER_ADDRESS, PREFIX_LENGTH, TAS_ADDRESS, until } from '../../tools/netlab/index.js'
import { describeHosts, type Hosts } from '../e2e/harness.js'
import { EMBEDDED_ADDRESS, embeddedTas, type Ended, endOf, INTERPOSE, nodes, scenario, startProgram } from './programs.js'

const TAS = compiled('service/main.js')
/** A case that only a program on TAS can pass: the kernel has nobody at HOST. */
const CASE = 'names of both ends'
const LAST_WORDS_BYTES = 300_000
const ENDING_PORT = 7300
/** Of each process of a cluster: enough for it to start, and for a few connections. */
const DESCRIPTORS = 64
const NIC = '--nic=tas0'
const ADDRESS = `--ip-addr=${EMBEDDED_ADDRESS}/${PREFIX_LENGTH}`

function end({ lab }: Hosts, args: readonly string[], env: Record<string, string> = {}, node = process.execPath): Promise<Ended> {
  return endOf(lab.tas, node, args, { HOST: EMBEDDED_ADDRESS, ...env })
}

describeHosts('a TAS of the program\'s own', {}, (hosts) => {
  const passes = ({ code, lines, errorLines }: Ended): void => {
    expect([code, errorLines]).toEqual([0, []])
    expect(lines.map((line) => JSON.parse(line) as { error: unknown })).toMatchObject([{ error: null }])
  }

  it.each([...nodes])('$name: tas run, --import, --require -> on TAS, nothing printed', async ({ path }) => {
    const program = [scenario('net'), CASE]
    passes(await end(hosts(), [TAS, 'run', NIC, ADDRESS, '--tcp-ecn=off', '--', path, ...program], {}, path))
    const { env } = embeddedTas(hosts().lab)
    passes(await end(hosts(), ['--import', INTERPOSE, ...program], env, path))
    passes(await end(hosts(), ['--require', INTERPOSE, ...program], env, path))
  })

  it('started by a Node program that needs no TAS itself -> on TAS', async () => {
    const command = JSON.stringify([scenario('net'), CASE])
    const starter = `require('node:child_process').spawn(process.execPath, ${command}, { stdio: 'inherit' }).on('exit', (code) => process.exit(code))`
    passes(await end(hosts(), [TAS, 'run', NIC, ADDRESS, process.execPath, '-e', starter]))
  })

  it.each<readonly [string, number, readonly string[], RegExp]>([
    ['no address', 2, [NIC], /^tas run: embedded TAS: --ip-addr: is missing/],
    ['a module that is not there', 2, [NIC, ADDRESS, '--cc=./no where.js'], /^tas run: embedded TAS: --cc: "\/.*\/no where\.js": cannot be loaded/],
    ['a value behind a space', 2, ['--nic', 'eth0', ADDRESS], /^tas run: embedded TAS: --nic: value is missing.*values stand behind "=", as in --nic=eth0/],
    ['no such interface', 1, ['--nic=none0', ADDRESS], /^tas run: ENODEV: --nic: "none0": there is no such interface/],
    ['no Ethernet', 1, ['--nic=lo', ADDRESS], /^tas run: EINVAL: --nic: "lo": has no Ethernet address/],
    ['an address that another TAS has', 1, [NIC, `--ip-addr=${TAS_ADDRESS}/24`], /^tas run: EADDRINUSE: --ip-addr: 10\.77\.0\.1: another TAS has/],
  ])('tas run: %s -> one line, exit code %i, no program', async (_, code, args, line) => {
    const ended = await end(hosts(), [TAS, 'run', ...args, '--', process.execPath, '-e', 'console.log("runs")'])
    expect([ended.code, ended.lines, ended.errorLines]).toEqual([code, [], [expect.stringMatching(line)]])
  })

  it('tas run without privilege -> one line that says what is wanted', async () => {
    const { lab } = hosts()
    const program = lab.tas.start('unprivileged', {
      command: 'setpriv', args: ['--bounding-set=-net_raw', '--inh-caps=-net_raw', process.execPath, TAS, 'run', NIC, ADDRESS, 'true'],
    })
    expect((await program.exited).code).toBe(1)
    expect(program.errorLines).toEqual([expect.stringMatching(/^tas run: EPERM: --nic: "tas0": no permission for packet sockets; want CAP_NET_RAW/)])
  })

  it('settings that cannot be -> one line and exit code 2', async () => {
    const variable = 'TASJS_INTERPOSE_EMBEDDED'
    const direct = await end(hosts(), ['--import', INTERPOSE, '-e', ''], { [variable]: NIC })
    expect([direct.code, direct.errorLines]).toEqual([2, [expect.stringMatching(/^tasjs\/interpose: embedded TAS: --ip-addr: is missing/)]])
    const both = await end(hosts(), [TAS, 'run', '--socket=/x', 'true'], { [variable]: NIC })
    expect([both.code, both.errorLines]).toEqual([2, [expect.stringContaining(`--socket: names a service, and the settings want a TAS`)]])
  })

  it('process, thread, cluster worker beside the first -> the kernel connects, of servers on TAS only the worker\'s listen, one warning each', async () => {
    const { lab, cleanup } = hosts()
    const ports = await startProgram(lab.peer, cleanup, scenario('service')).line(/^\[/)
    const env = { HOST: PEER_ADDRESS, OWN: EMBEDDED_ADDRESS, PORTS: ports }
    const program = startProgram(lab.tas, cleanup, scenario('outsiders'), { env }, embeddedTas(lab))
    const seen = JSON.parse(await program.line(/^\{/)) as unknown
    expect((await program.exited).code).toBe(0)
    const refused = (error: string): string[] => [error, error, 'listening', KERNEL_ADDRESS]
    expect(seen).toEqual({
      first: ['listening', 'listening', 'listening', EMBEDDED_ADDRESS],
      thread: refused('listen ENOTSUP'), worker: ['listening', 'listening', 'listening', KERNEL_ADDRESS], child: refused('listen EADDRINUSE'),
    })
    const warnings = program.errorLines.filter((line) => line.includes('TASJS_NO_EMBEDDED'))
    expect(warnings.map((line) => /this is (a .*?)\.|another TAS has (this) address/.exec(line)?.slice(1).join('')).sort())
      .toEqual(['a worker of a cluster', 'a worker thread', 'this'])
    expect(program.errorLines.filter((line) => !line.includes('--trace-warnings'))).toHaveLength(3)
  })

  it.each([...nodes])('$name: a cluster, more connections than its primary has descriptors for -> those are reset, the others served; then others', async ({ path }) => {
    const { lab, peer } = hosts()
    const env = { HOST: EMBEDDED_ADDRESS, ...embeddedTas(lab).env }
    const command = [`--nofile=${DESCRIPTORS}`, path, '--import', INTERPOSE, scenario('clusterecho')]
    const program = lab.tas.start('cluster', { command: 'prlimit', args: command, env })
    const port = Number(await program.line(/^\d+$/))
    const served: number[] = []
    const next = async (): Promise<number> => {
      const socket = await peer.call('connect', EMBEDDED_ADDRESS, port)
      await peer.call('read', socket, 1)
      return served.push(socket)
    }
    const refused = async (): Promise<boolean> => {
      while (served.length < DESCRIPTORS) await next()
      return true
    }
    await expect(refused()).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(served.length).toBeGreaterThan(2)
    for (const socket of served.splice(0)) await peer.call('reset', socket)
    await until('connections are served again', () => next().then(() => true, () => false))
    program.kill('SIGTERM')
    expect(await program.exited).toEqual({ code: null, signal: 'SIGTERM' })
  })

  it('no interface any more when the first socket is needed -> one warning; connections through the kernel, servers fail', async () => {
    const { lab, cleanup } = hosts()
    const ports = await startProgram(lab.peer, cleanup, scenario('service')).line(/^\[/)
    const env = { HOST: PEER_ADDRESS, PORTS: ports, TASJS_INTERPOSE_EMBEDDED: `--nic=none0 ${ADDRESS}` }
    const text = 'net=require("net");s=net.connect(JSON.parse(process.env.PORTS)[0],process.env.HOST,()=>{console.log(s.localAddress);s.end();'
      + 'net.createServer().on("error",(e)=>console.log(e.code)).listen(0,()=>console.log("listening"))})'
    const ended = await end(hosts(), ['--import', INTERPOSE, '-e', text], env)
    expect([ended.code, ended.lines]).toEqual([0, [KERNEL_ADDRESS, 'ENODEV']])
    expect(ended.errorLines[0]).toMatch(/\[TASJS_NO_EMBEDDED\] Warning: tasjs\/interpose: ENODEV: --nic: "none0": there is no such interface/)
  })
})

describeHosts('the end of a program', {}, (hosts) => {
  describe.each([['a service', TAS_ADDRESS, (h: Hosts) => h.service], ['a TAS of its own', EMBEDDED_ADDRESS, (h: Hosts) => embeddedTas(h.lab)]])(
    'on %s', (_, address, onTas) => {
      /** Starts the program, with two connections, of which the second tells it how to end. */
      const started = async (how: string) => {
        const { lab, cleanup, peer } = hosts()
        const program = startProgram(lab.tas, cleanup, scenario('ending'), { env: { HOST: address } }, onTas(hosts()))
        await program.line(/^up$/)
        const idle = await peer.call('connect', address, ENDING_PORT)
        const teller = await peer.call('connect', address, ENDING_PORT)
        await peer.call('write', teller, Buffer.from(how))
        return { program, peer, idle, teller }
      }

      it('process.exit behind the last write, nothing left to do -> all delivered; everything closed in order', async () => {
        const exits = await started('e')
        await exits.peer.call('readHash', exits.teller, LAST_WORDS_BYTES)
        await exits.peer.call('ended', exits.idle)
        expect((await exits.program.exited).code).toBe(3)
        const done = await started('c')
        await done.peer.call('readHash', done.teller, LAST_WORDS_BYTES)
        await done.peer.call('end', done.teller)
        await done.peer.call('end', done.idle)
        expect(await done.peer.call('closed', done.teller)).toBe('')
        expect(await done.program.exited).toEqual({ code: 0, signal: null })
      })

      it('unref of all, with another connection gone -> it ends', async () => {
        const { program, peer, idle } = await started('u')
        await peer.call('end', idle)
        expect((await program.exited).code).toBe(0)
      })

      it('an exception -> exit code 1, connections are closed', async () => {
        const { program, peer, idle, teller } = await started('t')
        await peer.call('ended', idle)
        await peer.call('ended', teller)
        expect((await program.exited).code).toBe(1)
        expect(program.errorLines.join('\n')).toContain('it has thrown')
      })

      it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s that it does not handle -> ends by it; peers hear a reset', async (signal) => {
        const { program, peer, idle, teller } = await started('x')
        program.kill(signal)
        expect(await peer.call('closed', idle)).toBe('ECONNRESET')
        expect(await peer.call('closed', teller)).toBe('ECONNRESET')
        expect(await program.exited).toEqual({ code: null, signal })
      })

      it('a signal that it handles no more -> ends by it; peers hear a reset', async () => {
        const { program, peer, idle, teller } = await started('h')
        await peer.call('read', teller, 1)
        await peer.call('write', idle, Buffer.from('r'))
        await peer.call('read', idle, 1)
        program.kill('SIGTERM')
        expect(await program.exited).toEqual({ code: null, signal: 'SIGTERM' })
        expect(await peer.call('closed', idle)).toBe('ECONNRESET')
      })

      it('a signal that it handles once -> its handler alone; a second one ends it', async () => {
        const { program, peer, idle, teller } = await started('h')
        await peer.call('read', teller, 1)
        program.kill('SIGTERM')
        await program.line(/^handled$/)
        expect(program.exit).toBeNull()
        program.kill('SIGTERM')
        expect(await program.exited).toEqual({ code: null, signal: 'SIGTERM' })
        expect(await peer.call('closed', idle)).toBe('ECONNRESET')
      })
    })

  it('a TAS of its own: ended -> address and interface are free at once', async () => {
    const { lab, cleanup } = hosts()
    const program = startProgram(lab.tas, cleanup, scenario('ending'), { env: { HOST: EMBEDDED_ADDRESS } }, embeddedTas(lab))
    await program.line(/^up$/)
    const claims = (): Promise<boolean> => lab.tas.run('cat', ['/proc/net/unix']).then((text) => text.includes(`/${EMBEDDED_ADDRESS}`))
    expect(await claims()).toBe(true)
    program.kill('SIGTERM')
    await program.exited
    await until('nobody has the address', async () => !await claims())
  })
})
