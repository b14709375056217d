import { expect, test } from 'vitest'
import { runChild } from './child.js'

const THROWN = "const { AsyncLocalStorage } = require('node:async_hooks'); const storage = new AsyncLocalStorage(); const error = new Error('thrown')\n"

test('raised: a listener -> heard at once, in the caller\'s context; the caller goes on', async () => {
  const result = await runChild(`${THROWN}
    process.on('uncaughtException', (heard) => console.log(heard === error, storage.getStore()))
    storage.run('store', () => {
      native.uncaught(error)
      console.log('on')
    })
  `)
  expect(result).toEqual({ code: 0, signal: null, output: 'true store\non\n' })
})

test('raised: nobody listens -> the process ends as by a throw', async () => {
  const result = await runChild(`${THROWN}
    process.on('exit', (code) => console.log('exit', code))
    native.uncaught(error)
    console.log('went on')
  `)
  expect(result).toMatchObject({ code: 1, signal: null })
  expect(result.output).toContain('exit 1\n')
  expect(result.output).toContain('Error: thrown\n')
  expect(result.output).not.toContain('went on')
})
