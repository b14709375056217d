import { expect, test } from 'vitest'
import { cpuSeconds, processTree } from '../../tools/netlab/cpu.js'
import { run, startProcess } from '../../tools/netlab/processes.js'
import { until } from '../../tools/netlab/wait.js'

function node(script: string, readyFd = false) {
  return startProcess('script', { command: process.execPath, args: ['-e', script], readyFd })
}

test('process: prints a line -> line() returns it', async () => {
  const started = node("console.log('hello 7')")
  expect(await started.line(/hello \d/)).toBe('hello 7')
  await started.success()
})

test('process: ends before it is ready -> error with what it said', async () => {
  const started = node("console.error('no such thing'); process.exitCode = 3", true)
  await expect(started.ready()).rejects.toThrow(/script exited with 3:[^]*no such thing/)
})

test('process: writes a line to descriptor 3 -> ready', async () => {
  const started = node("require('fs').writeSync(3, 'ready\\n'); setInterval(() => {}, 1e6)", true)
  expect(await started.ready()).toBe('ready')
  expect(await started.stop()).toEqual({ code: null, signal: 'SIGTERM' })
})

test('process: command does not exist -> error that says so', async () => {
  await expect(run('/nowhere/tasjs-no-such-command', [])).rejects.toThrow(/ENOENT/)
})

test('process tree: child of a child -> listed, CPU time counted', async () => {
  const started = node(`
    const { spawn } = require('child_process')
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' })
    setInterval(() => {}, 1e6)`)
  const tree = await until('the child of the child', () => {
    const pids = processTree(started.pid)
    return pids.length === 2 ? pids : undefined
  })
  expect(cpuSeconds(tree)).toBeGreaterThanOrEqual(0)
  process.kill(tree[1])
  await started.stop()
})
