/** A TAS of the program's own on one end of a link whose other end is the kernel's of the same host: who has no TAS reaches it through the kernel. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  Cleanup, createHost, KERNEL_ADDRESS, namespacesRefused, type Namespace, PREFIX_LENGTH, TAS_ADDRESS, TAS_INTERFACE, uniqueName,
} from '../../tools/netlab/index.js'
import { endOf, INTERPOSE } from './programs.js'

const refused = await namespacesRefused()
const BYTES = 300_000

const CLIENT = `
  const socket = require('node:net').connect(Number(process.argv[1]), process.env.HOST)
  let bytes = 0
  socket.on('data', (data) => { bytes += data.length }).on('end', () => console.log(socket.localAddress, bytes))
  socket.end('x'.repeat(${BYTES}))
`
/** Echoes to a client in another process, once. */
const SERVER = `
  const { spawn } = require('node:child_process')
  const server = require('node:net').createServer({ allowHalfOpen: true }, (socket) => { socket.pipe(socket); server.close() })
  server.listen(0, process.env.HOST, () => {
    spawn(process.execPath, ['--import', process.env.INTERPOSE, '-e', process.env.CLIENT, server.address().port], { stdio: 'inherit' })
  })
`

let host: Namespace
const cleanup = new Cleanup()
beforeAll(async () => { if (refused === null) host = await createHost(uniqueName('tas-onehost'), cleanup) })
afterAll(async () => { expect(await cleanup.run()).toEqual([]) })

it.skipIf(refused !== null)(`a child that needs no server: connects to its parent's -> through the kernel, all bytes echoed${refused === null ? '' : ` (skipped: ${refused})`}`, async () => {
  const env = { HOST: TAS_ADDRESS, INTERPOSE, CLIENT, TASJS_INTERPOSE_EMBEDDED: `--nic=${TAS_INTERFACE} --ip-addr=${TAS_ADDRESS}/${PREFIX_LENGTH}` }
  const ended = await endOf(host, process.execPath, ['--import', INTERPOSE, '-e', SERVER], env)
  expect([ended.code, ended.lines]).toEqual([0, [`${KERNEL_ADDRESS} ${BYTES}`]])
  expect(ended.errorLines[0]).toContain('TASJS_NO_EMBEDDED')
})
