/** Descriptors that end with their thread. */
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { closeFd, socketPair, waitReadable } from '../../native/index.js'
import { compiled } from '../../tools/netlab/index.js'

/** Holds the descriptors that it is given, then does as it is told. */
const THREAD = `
const { parentPort, workerData: { native, shared, own, users, then } } = require('node:worker_threads')
import(native).then(({ HeldFds }) => {
  const held = new HeldFds(shared, users)
  for (const fd of own) held.add(fd)
  if (then === 'remove') held.remove(own[0])
  if (then === 'drop') held.drop()
  if (then === 'stay') setInterval(() => undefined, 60_000)
  parentPort.postMessage('held')
})`

interface Job {
  readonly shared?: readonly number[]
  readonly own?: readonly number[]
  readonly users: Int32Array
  readonly then?: 'stay' | 'remove' | 'drop'
}

/** Runs a thread to its end; one that stays is terminated. */
async function endThread({ shared = [], own = [], users, then }: Job): Promise<void> {
  const native = new URL(`file://${compiled('native/index.js')}`).href
  const worker = new Worker(THREAD, { eval: true, workerData: { native, shared, own, users, then } })
  const ended = new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject))
  await new Promise((resolve) => worker.once('message', resolve))
  if (then === 'stay') await worker.terminate()
  await ended
}

/** Whether the other end of a socket has been closed. */
function isHungUp(fd: number): boolean {
  return waitReadable(Int32Array.of(fd), 1, 0) !== 0
}

function threads(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4)).fill(count)
}

describe('HeldFds', () => {
  it.each([['it returns', undefined], ['it is terminated', 'stay']] as const)('%s, the last thread -> all closed', async (_how, then) => {
    const [[near, far], [mine, yours]] = [socketPair(), socketPair()]
    const users = threads(1)
    await endThread({ shared: [far], own: [yours], users, ...(then === undefined ? {} : { then }) })
    expect([isHungUp(near), isHungUp(mine), users[0]]).toEqual([true, true, 0])
    closeFd(near)
    closeFd(mine)
  })

  it('other threads are left -> what is shared stays open, until the last ends', async () => {
    const [[near, far], [mine, yours]] = [socketPair(), socketPair()]
    const users = threads(2)
    await endThread({ shared: [far], own: [yours], users, then: 'stay' })
    expect([isHungUp(near), isHungUp(mine), users[0]]).toEqual([false, true, 1])
    await endThread({ shared: [far], users })
    expect([isHungUp(near), users[0]]).toEqual([true, 0])
    closeFd(near)
    closeFd(mine)
  })

  it('removed, or all dropped -> left alone', async () => {
    const [near, far] = socketPair()
    const users = threads(2)
    await endThread({ own: [far], users, then: 'remove' })
    await endThread({ shared: [far], own: [far], users, then: 'drop' })
    expect([isHungUp(near), users[0]]).toEqual([false, 1])
    closeFd(near)
    closeFd(far)
  })
})
