import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packageRoot } from '../../tools/netlab/paths.js'

// A package of its own, so that nothing of this one is touched.
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tas-setup-'))
  mkdirSync(join(folder, 'tools'))
  cpSync(join(packageRoot, 'tools', 'setup'), join(folder, 'tools', 'setup'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ engines: { node: '>=20.19' } }))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs a script that may use the set-up's modules; `S` is their folder. */
function script(text: string): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', text.replaceAll("'S/", `'${folder}/tools/setup/`)])
    let out = ''
    let err = ''
    child.stdout.on('data', data => { out += data })
    child.stderr.on('data', data => { err += data })
    child.on('close', code => resolve({ code, out, err }))
  })
}

test('run: unknown task -> usage, exit code 2', async () => {
  const child = spawn(process.execPath, [join(folder, 'tools', 'setup', 'run.mjs'), 'dance'])
  expect(await new Promise(resolve => child.on('close', resolve))).toBe(2)
})

test('node: older than package.json demands -> one line that says so', async () => {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ engines: { node: '>=999.0' } }))
  const { err } = await script("import { checkNode } from 'S/node.mjs'; try { checkNode() } catch (e) { console.error(e.message) }")
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ engines: { node: '>=20.19' } }))
  expect(err.trim()).toBe(`tasjs needs Node >=999.0; this is ${process.versions.node}`)
})

test('step: fails -> its output and the command are in the error', async () => {
  const { out } = await script(`
    import { step } from 'S/steps.mjs'
    await step('breaking', 'sh', ['-c', 'echo because; exit 3']).catch(e => console.log(e.message))`)
  expect(out).toMatch(/because\nsetup: breaking failed with exit code 3: sh -c/)
})

test('step: works -> announced and timed, its output not shown', async () => {
  const { out, err } = await script("import { step } from 'S/steps.mjs'; await step('working', 'echo', ['hidden'])")
  expect(out).toBe('')
  expect(err).toMatch(/^setup: working \.\.\.\nsetup: working: done \([\d.]+ s\)\n$/)
})

test('stamps: source changed -> another hash; file of another kind -> the same; cleared -> not stamped', async () => {
  mkdirSync(join(folder, 'src', 'deep'), { recursive: true })
  const { out } = await script(`
    import { writeFileSync } from 'node:fs'
    import { clearStamp, hashOf, isStamped, writeStamp } from 'S/stamps.mjs'
    const file = (name, text) => writeFileSync('${folder}/src/' + name, text)
    const hash = () => hashOf(['src', 'absent'], /\\.ts$/)
    file('deep/a.ts', 'one'); const one = hash()
    file('b.md', 'other'); console.log(hash() === one)
    writeStamp('test', one); console.log(isStamped('test', hash()))
    file('deep/a.ts', 'two'); console.log(isStamped('test', hash()))
    clearStamp('test'); clearStamp('test'); file('deep/a.ts', 'one'); console.log(isStamped('test', hash()))`)
  expect(out.trim().split('\n')).toEqual(['true', 'true', 'false', 'false'])
})

test('lock: two at once, after one that was killed while it held it -> one after the other', async () => {
  await script(`
    import { withLock } from 'S/stamps.mjs'
    await withLock(async () => process.kill(process.pid, 'SIGKILL'))`).catch(() => undefined)
  const log = join(folder, 'log')
  const work = (name: string): Promise<unknown> => script(`
    import { appendFileSync } from 'node:fs'
    import { setTimeout as pause } from 'node:timers/promises'
    import { withLock } from 'S/stamps.mjs'
    await withLock(async () => {
      appendFileSync('${log}', '${name} begins\\n'); await pause(50); appendFileSync('${log}', '${name} ends\\n')
    })`)
  await Promise.all([work('a'), work('b')])
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  const [first, second] = lines[0].startsWith('a') ? ['a', 'b'] : ['b', 'a']
  expect(lines).toEqual([`${first} begins`, `${first} ends`, `${second} begins`, `${second} ends`])
})

test('programs: any task without a compiler -> the line that installs what it is built with', async () => {
  const { out } = await script(`
    import { missingLine } from 'S/packages.mjs'
    import { TASKS } from 'S/tasks.mjs'
    process.env.PATH = '${folder}'
    console.log(TASKS.length > 10, TASKS.filter(task => !/g\\+\\+, make, cmake/.test(missingLine(task) ?? '')))`)
  expect(out.trim()).toBe('true []')
})

/** Runs npm's install step of the copied package with nothing on the path. */
function runInstall(): Promise<{ code: number | null; err: string }> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [join(folder, 'tools', 'setup', 'install.mjs')], { env: { PATH: folder } })
    let err = ''
    child.stderr.on('data', data => { err += data })
    child.on('close', code => resolve({ code, err }))
  })
}

test('install: in a package without compiler -> names what is missing, exit code 1; in a clone -> nothing to do', async () => {
  const { code, err } = await runInstall()
  expect(err).toMatch(/^tasjs: its native addon cannot be built; .*g\+\+, make, cmake/)
  expect(code).toBe(1)
  writeFileSync(join(folder, 'tsconfig.json'), '{}')
  expect(await runInstall()).toEqual({ code: 0, err: '' })
  rmSync(join(folder, 'tsconfig.json'))
})
