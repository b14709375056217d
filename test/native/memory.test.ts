import { constants } from 'node:buffer'
import { fstatSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  closeFd, createRegion, createSharedObject, mapRegion, openSharedObject, punchHole, Regions, reopenReadOnly, unlinkSharedObject, unmapRegion,
} from '../../native/memory.js'

const name = `tn-${process.pid}`

test('region: mapped twice -> both see the same bytes', () => {
  const { fd, buffer } = createRegion(name, 8192)
  const other = mapRegion(fd, 8192, true)
  new Uint8Array(buffer)[8191] = 77
  expect(new Uint8Array(other)[8191]).toBe(77)
  unmapRegion(other)
  unmapRegion(buffer)
  closeFd(fd)
})

test('region: 4 GiB -> made at once, last byte usable', () => {
  const length = 4 * 2 ** 30
  const { fd, buffer } = createRegion(name, length)
  expect(buffer.byteLength).toBe(length)
  const last = new Uint8Array(buffer, length - 1, 1)
  last[0] = 5
  expect(last[0]).toBe(5)
  unmapRegion(buffer)
  closeFd(fd)
})

test('region: 64 GiB -> made where this Node allows such an ArrayBuffer, RangeError where not', () => {
  const length = 64 * 2 ** 30
  try {
    const { fd, buffer } = createRegion(name, length)
    expect(buffer.byteLength).toBe(length)
    unmapRegion(buffer)
    closeFd(fd)
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError)
    expect(constants.MAX_LENGTH).toBeLessThan(length)
  }
})

test('hole: pages within -> zeros for every mapping, and no memory; before and behind -> as they were', () => {
  const { fd, buffer } = createRegion(name, 65_536)
  const bytes = new Uint8Array(buffer).fill(1)
  const blocks = (): number => fstatSync(fd).blocks
  const before = blocks()
  punchHole(fd, 8192 + 64, 4096 * 8)
  expect([bytes[8192 + 63], bytes[8192 + 64], bytes[8192 + 64 + 4096 * 8 - 1], bytes[8192 + 64 + 4096 * 8]]).toEqual([1, 0, 0, 1])
  expect(before - blocks()).toBe(7 * 8)
  bytes[8192 + 64] = 7
  expect(bytes[8192 + 64]).toBe(7)
  unmapRegion(buffer)
  closeFd(fd)
  expect(() => punchHole(fd, 0, 4096)).toThrow(expect.objectContaining({ code: 'EBADF', syscall: 'fallocate' }))
})

test('region: descriptor reopened read-only -> mapping it writable fails with EACCES', () => {
  const { fd, buffer } = createRegion(name, 4096)
  const readOnly = reopenReadOnly(fd)
  expect(() => mapRegion(readOnly, 4096, true)).toThrow(expect.objectContaining({ code: 'EACCES', syscall: 'mmap' }))
  new Uint8Array(buffer)[1] = 9
  expect(new Uint8Array(mapRegion(readOnly, 4096, false))[1]).toBe(9)
  closeFd(readOnly)
  closeFd(fd)
})

test('region: mapped longer than it is -> RangeError; a length that is none -> RangeError', () => {
  const { fd } = createRegion(name, 4096)
  expect(() => mapRegion(fd, 8192, true)).toThrow(RangeError)
  for (const length of [0, -1, 1.5, NaN, Infinity]) expect(() => mapRegion(fd, length, true)).toThrow(RangeError)
  closeFd(fd)
})

test('region: unmapped -> detached, and not unmapped twice', () => {
  const { fd, buffer } = createRegion(name, 4096)
  const view = new Uint8Array(buffer)
  unmapRegion(buffer)
  expect(buffer.byteLength).toBe(0)
  expect(view[0]).toBeUndefined()
  expect(() => unmapRegion(buffer)).toThrow(TypeError)
  expect(() => unmapRegion(new ArrayBuffer(8))).toThrow(TypeError)
  closeFd(fd)
})

test('regions: memory entered -> place taken, not unmapped until removed', () => {
  const regions = new Regions()
  const { fd, buffer } = createRegion(name, 4096)
  regions.add(3, buffer)
  expect(regions.get(3)).toBe(buffer)
  expect(() => regions.add(3, new ArrayBuffer(64))).toThrow(RangeError)
  expect(() => unmapRegion(buffer)).toThrow(expect.objectContaining({ code: 'EBUSY' }))
  regions.remove(3)
  unmapRegion(buffer)
  regions.add(3, new SharedArrayBuffer(64))
  for (const index of [-1, 256, 0.5]) expect(() => regions.add(index, new ArrayBuffer(64))).toThrow(RangeError)
  expect(() => regions.add(4, new ArrayBuffer(0))).toThrow(TypeError)
  closeFd(fd)
})

test('shared object: made, opened by name, unlinked -> read-only view of the same bytes, then ENOENT', () => {
  const object = `/${name}`
  const made = new Float64Array(createSharedObject(object, 4096))
  expect(() => createSharedObject(object, 4096)).toThrow(expect.objectContaining({ code: 'EEXIST' }))
  made[7] = 1.5
  const opened = openSharedObject(object)
  expect(opened.byteLength).toBe(4096)
  expect(new Float64Array(opened)[7]).toBe(1.5)
  unlinkSharedObject(object)
  expect(() => openSharedObject(object)).toThrow(expect.objectContaining({ code: 'ENOENT', syscall: 'shm_open' }))
  made[7] = 2.5
  expect(new Float64Array(opened)[7]).toBe(2.5)
})

test('descriptor: closed twice -> EBADF with the number in the message', () => {
  const { fd } = createRegion(name, 4096)
  closeFd(fd)
  expect(() => closeFd(fd)).toThrow(expect.objectContaining({ code: 'EBADF', message: expect.stringContaining(`fd ${fd}`) }))
})
