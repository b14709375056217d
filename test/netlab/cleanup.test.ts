import { expect, test } from 'vitest'
import { Cleanup } from '../../tools/netlab/cleanup.js'

test('cleanup: run -> undone last first, once', async () => {
  const done: string[] = []
  const cleanup = new Cleanup()
  cleanup.add('first', () => { done.push('first') })
  cleanup.add('second', async () => { done.push('second') })
  expect(await cleanup.run()).toEqual([])
  await cleanup.run()
  expect(done).toEqual(['second', 'first'])
})

test('cleanup: one undo fails -> the others still run, the failure is named', async () => {
  const done: string[] = []
  const cleanup = new Cleanup()
  cleanup.add('first', () => { done.push('first') })
  cleanup.add('broken', () => { throw new Error('no') })
  expect(await cleanup.run()).toEqual(['broken: no'])
  expect(done).toEqual(['first'])
})

test('cleanup: forgotten -> not undone', async () => {
  const done: string[] = []
  const cleanup = new Cleanup()
  const forget = cleanup.add('first', () => { done.push('first') })
  forget()
  await cleanup.run()
  expect(done).toEqual([])
})

test('cleanup: run while it runs -> waits for the same run', async () => {
  let release = (): void => {}
  const gate = new Promise<void>(resolve => { release = resolve })
  const cleanup = new Cleanup()
  cleanup.add('slow', () => gate)
  const first = cleanup.run()
  const second = cleanup.run()
  release()
  expect(await Promise.all([first, second])).toEqual([[], []])
})
