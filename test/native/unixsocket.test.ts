import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeFd, createRegion } from '../../native/memory.js'
import {
  acceptUnix, claimantUid, claimName, connectUnix, listenUnix, peerCredentials, receiveMessage, sendMessage, socketPair,
} from '../../native/unixsocket.js'
import { waitReadable } from '../../native/wake.js'
import { childResult, runChild, startChild } from './child.js'

let folder = ''
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'tn-')) })
afterAll(() => { rmSync(folder, { recursive: true }) })

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** Waits (bounded by the test's own limit) until `fd` is readable. */
function wait(fd: number): void {
  expect(waitReadable(Int32Array.of(fd), 1, 20e6)).toBe(1)
}

test('two processes: region and eventfd passed -> the other writes the region and wakes us', async () => {
  const path = join(folder, 'pass')
  const listener = listenUnix(path)
  expect(statSync(path).mode & 0o777).toBe(0o666)
  const child = startChild(`
    const fd = native.connectUnix(args[0])
    const { fds } = native.receiveMessage(fd, new Uint8Array(16))
    new Uint8Array(native.mapRegion(fds[0], 4096, true))[100] = 42
    native.sendMessage(fd, new TextEncoder().encode('done'), [])
  `, path)
  const ended = childResult(child)
  wait(listener)
  const peer = acceptUnix(listener)
  expect(peerCredentials(peer)).toEqual({ pid: child.pid, uid: process.getuid?.(), gid: process.getgid?.() })
  const { fd, buffer } = createRegion('tn-pass', 4096)
  expect(sendMessage(peer, text('region'), [fd])).toBe(true)
  wait(peer)
  const bytes = new Uint8Array(16)
  expect(receiveMessage(peer, bytes)).toEqual({ lenBytes: 4, fds: [] })
  expect(new Uint8Array(buffer)[100]).toBe(42)
  expect(await ended).toMatchObject({ code: 0, output: '' })
  expect(receiveMessage(peer, bytes)).toEqual({ lenBytes: 0, fds: [] })
  for (const each of [peer, listener, fd]) closeFd(each)
})

test('accept: nobody waits -> -1; receive: nothing there -> null', () => {
  const path = join(folder, 'empty')
  const listener = listenUnix(path)
  expect(acceptUnix(listener)).toBe(-1)
  const client = connectUnix(path)
  const peer = acceptUnix(listener)
  expect(receiveMessage(peer, new Uint8Array(8))).toBeNull()
  for (const each of [client, peer, listener]) closeFd(each)
})

test('listen: a live service answers -> EADDRINUSE; a dead one left its file -> replaced', async () => {
  const path = join(folder, 'stale')
  const listener = listenUnix(path)
  expect(() => listenUnix(path)).toThrow(expect.objectContaining({ code: 'EADDRINUSE', message: expect.stringContaining(path) }))
  closeFd(listener)
  expect((await runChild('native.closeFd(native.listenUnix(args[0]))', path)).code).toBe(0)
  closeFd(listenUnix(path))
})

test('listen: another kind of file there -> EADDRINUSE, file untouched', () => {
  const path = join(folder, 'file')
  writeFileSync(path, 'precious')
  expect(() => listenUnix(path)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }))
  expect(statSync(path).size).toBe(8)
})

test('connect: nobody there -> ENOENT; path too long -> ENAMETOOLONG', () => {
  expect(() => connectUnix(join(folder, 'none'))).toThrow(expect.objectContaining({ code: 'ENOENT' }))
  expect(() => connectUnix('/'.padEnd(200, 'x'))).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }))
})

test('receive: message longer than the array -> EMSGSIZE, next message intact', () => {
  const [a, b] = socketPair()
  sendMessage(a, text('0123456789'), [a])
  sendMessage(a, text('ok'), [a, b])
  expect(() => receiveMessage(b, new Uint8Array(4))).toThrow(expect.objectContaining({ code: 'EMSGSIZE' }))
  const second = receiveMessage(b, new Uint8Array(4))
  expect(second?.lenBytes).toBe(2)
  expect(second?.fds.length).toBe(2)
  for (const each of [a, b, ...(second?.fds ?? [])]) closeFd(each)
})

test('send: full non-blocking socket -> false; peer gone -> EPIPE', () => {
  const path = join(folder, 'full')
  const listener = listenUnix(path)
  const client = connectUnix(path)
  const peer = acceptUnix(listener)
  let sent = 0
  while (sent < 10_000 && sendMessage(peer, new Uint8Array(1000), [])) sent++
  expect(sent).toBeLessThan(10_000)
  closeFd(client)
  expect(() => sendMessage(peer, text('x'), [])).toThrow(expect.objectContaining({ code: 'EPIPE' }))
  for (const each of [peer, listener]) closeFd(each)
})

test('receive: peer died with our message unread -> closed, not an error', () => {
  const [a, b] = socketPair()
  sendMessage(a, text('never read'), [])
  closeFd(b)
  expect(receiveMessage(a, new Uint8Array(8))?.lenBytes).toBe(0)
  closeFd(a)
})

test('claim: a name that is taken -> EADDRINUSE, a longer or shorter one is another; given back -> free; too long -> ENAMETOOLONG', () => {
  const name = `tasjs-test-${process.pid}`
  const held = claimName(name)
  expect(() => claimName(name)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }))
  expect(claimantUid(name)).toBe(process.getuid?.())
  for (const other of [`${name}1`, name.slice(0, -1)]) closeFd(claimName(other))
  closeFd(held)
  expect(claimantUid(name)).toBe(-1)
  closeFd(claimName(name))
  expect(() => claimName('x'.repeat(200))).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }))
})
