/** The compiled examples where they cannot begin: one line, and an exit code. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compiled } from '../../tools/netlab/index.js'

const isBuilt = existsSync(compiled('examples/echo.js'))
const env = { ...process.env, TAS_SOCKET: '/nowhere.sock' }

function end(program: string, ...args: readonly string[]): { code: number | null; out: string; err: string } {
  const { status: code, stdout: out, stderr: err } = spawnSync(process.execPath, [compiled(`examples/${program}.js`), ...args], { encoding: 'utf8', env, timeout: 10_000 })
  return { code, out, err }
}

describe.skipIf(!isBuilt)(`examples (${isBuilt ? 'built' : 'not built: npm run build'})`, () => {
  it.each([
    ['--foo', "Unknown option '--foo'; see --help"],
    ['--port=x', '--port: "x": want a whole number from 0 to 65535'],
    ['--ip-addr=10.0.0.1/24', '--ip-addr: is for a TAS within this program; want --nic beside it'],
    ['--nic=none0', '--nic: want --ip-addr beside it, as in --ip-addr 10.0.0.1/24'],
  ])('echo %s -> exit 2, one line', (args, line) => {
    expect(end('echo', ...args.split(' '))).toEqual({ code: 2, out: '', err: `${line}\n` })
  })

  it.each(['x', '65536', '--port', '7 8'])('sockets-echo %s -> exit 2, its usage', (args) => {
    expect(end('sockets-echo', ...args.split(' '))).toEqual({ code: 2, out: '', err: 'usage: node sockets-echo.js [PORT]\n' })
  })

  it.each(['echo', 'echo-poll', 'http-server', 'sockets-echo'])('%s: --help -> exit 0; no service -> exit 1, one line', (program) => {
    expect(end(program, '--help')).toMatchObject({ code: 0, out: expect.stringMatching(`^usage: node ${program}.js `), err: '' })
    expect(end(program)).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/^ENOENT: no TAS service at \/nowhere.sock: [^\n]*\n$/) })
  })
})
