import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MAIN, missingBuild, missingNetwork, Place, runTas, runTasInNamespace } from './run.js'

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(() => place.remove())

const ADDRESS = '--ip-addr=10.77.0.2/24'
const VETH = 'ip link add ts-v0 type veth peer name ts-v1'

describe.skipIf(missingBuild !== '')(`tas: refused (${missingBuild || 'built'})`, () => {
  const usage: [string[], string][] = [
    [[], 'tas: --ip-addr: is missing; want at least one, as in --ip-addr=10.0.0.1/24\n'],
    [[ADDRESS], 'tas: --nic: is missing; want the network interface to work on, as in --nic=eth0 or --nic=tap:tas0\n'],
    [['--ip-addr=10.0.0.1/33'], 'tas: --ip-addr: "10.0.0.1/33": prefix length must be 0 to 32, as in 10.0.0.1/24\n'],
    [['--ip-adr=10.0.0.1'], 'tas: --ip-adr: unknown option; did you mean --ip-addr?\n'],
  ]
  it.each(usage)('%j -> exit 2 and one line', async (args, stderr) => {
    expect(await runTas(args).ended).toEqual({ code: 2, signal: null, stdout: '', stderr })
  })

  it('--cc with a module that is not there -> exit 2, one line, nothing left', async () => {
    const ended = await runTas([ADDRESS, '--nic=lo', `--socket=${place.socket}`, '--quiet', '--cc=./none.js']).ended
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toMatch(/^tas: --cc: "\.\/none\.js": cannot be loaded: [^\n]*\n$/)
    expect(place.isClean).toBe(true)
  })

  it('interface that does not exist -> exit 1, one line, nothing left', async () => {
    const ended = await runTas([ADDRESS, '--nic=ts-none', `--socket=${place.socket}`, '--quiet']).ended
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toMatch(/^tas: --nic: "ts-none": there is no such interface; want [^\n]*\n$/)
    expect(place.isClean).toBe(true)
  })

  it('socket in a directory that does not exist -> exit 1', async () => {
    const ended = await runTas([ADDRESS, '--nic=lo', `--socket=${place.folder}/none/tas.sock`, '--quiet']).ended
    expect(ended.code).toBe(1)
    expect(ended.stderr).toMatch(/^tas: --socket: "[^"]*": its directory does not exist; [^\n]*\n$/)
  })

  it('--ready-fd that is not open -> exit 1', async () => {
    const ended = await runTas([ADDRESS, '--nic=lo', `--socket=${place.socket}`, '--ready-fd=99']).ended
    expect(ended.code).toBe(1)
    expect(ended.stderr).toMatch(/^tas: --ready-fd: 99: is not open; [^\n]*\n$/)
    expect(place.isClean).toBe(true)
  })

  it('--help and --version -> exit 0 on stdout', async () => {
    expect(await runTas(['--version']).ended).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^tas \d+\.\d+\.\d+\n$/) })
    const help = await runTas(['--help']).ended
    expect(help).toMatchObject({ code: 0, stderr: '' })
    expect(help.stdout).toContain('--fp-poll-interval-app')
  })

  it('stat without a service -> exit 1, one line', async () => {
    const ended = await runTas(['stat', `--socket=${place.socket}`]).ended
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toMatch(/^tas stat: --socket: "[^"]*": no tas runs there [^\n]*\n$/)
  })

  it.each([['--interval=0'], ['--interval=x'], ['--bogus']])('stat %s -> exit 2', async (option) => {
    expect((await runTas(['stat', option]).ended).code).toBe(2)
  })
})

describe.skipIf(missingBuild !== '')('tas: the reader of its output goes away', () => {
  it.each([['--help'], ['stat --help'], ['--version']])('%s -> exit 0, no trace', (args) => {
    const script = `exec 3>&1; { "$@" 2>&3; echo "code $?" >&3; } | true`
    const ended = spawnSync('sh', ['-c', script, 'sh', process.execPath, MAIN, ...args.split(' ')], { encoding: 'utf8' })
    expect(ended.stdout).toBe('code 0\n')
  })
})

describe.skipIf(missingNetwork !== '')(`tas: refused in a network (${missingNetwork || 'has one'})`, () => {
  it('loopback interface, MTU beyond IPv4 -> exit 1, one line, nothing left', async () => {
    const lo = await runTasInNamespace('ip link set lo up', [ADDRESS, '--nic=lo', `--socket=${place.socket}`]).ended
    expect(lo).toMatchObject({ code: 1, stderr: expect.stringMatching(/^tas: --nic: "lo": has no Ethernet address; [^\n]*\n$/) })
    const setup = 'ip link set lo mtu 70000 address 02:00:00:00:00:09 up'
    const large = await runTasInNamespace(setup, [ADDRESS, '--nic=lo', `--socket=${place.socket}`]).ended
    expect(large.stderr).toMatch(/^tas: --nic: "lo": has an MTU of 70000; want 68 to 65535[^\n]*\n$/)
    expect(place.isClean).toBe(true)
  })

  it('interface that is down -> exit 1, says how to set it up', async () => {
    const ended = await runTasInNamespace(VETH, [ADDRESS, '--nic=ts-v0', `--socket=${place.socket}`, '--quiet']).ended
    expect(ended).toMatchObject({ code: 1, stderr: 'tas: --nic: "ts-v0": is down; want it up: ip link set ts-v0 up\n' })
    expect(place.isClean).toBe(true)
  })

  it('MAC address of the interface itself -> exit 1', async () => {
    const setup = `${VETH} && ip link set ts-v0 address 02:00:00:00:00:07 up`
    const args = [ADDRESS, '--nic=ts-v0', '--mac=02:00:00:00:00:07', `--socket=${place.socket}`, '--quiet']
    const ended = await runTasInNamespace(setup, args).ended
    expect(ended.code).toBe(1)
    expect(ended.stderr).toMatch(/^tas: --mac: is the address of "ts-v0" itself/)
  })

  it('no permission -> exit 1, says what is needed, nothing left', async () => {
    const setup = `${VETH} && ip link set ts-v0 up && set -- setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs "$@"`
    const ended = await runTasInNamespace(setup, [ADDRESS, '--nic=ts-v0', `--socket=${place.socket}`, '--quiet']).ended
    expect(ended.code).toBe(1)
    expect(ended.stderr).toMatch(/^tas: --nic: "ts-v0": no permission for packet sockets; want CAP_NET_RAW[^\n]*\n$/)
    expect(place.isClean).toBe(true)
  })
})
