import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Outbox } from '../../service/outbox.js'

/** A socket with room for so many messages. */
class Socket {
  room = 0
  gone = false
  readonly sent: string[] = []

  sendMessage(_fd: number, bytes: Uint8Array, fds: readonly number[]): boolean {
    if (this.gone) throw Object.assign(new Error('EPIPE'), { code: 'EPIPE' })
    if (this.room === 0) return false
    this.room--
    this.sent.push(`${new TextDecoder().decode(bytes)} ${fds.join(',')}`)
    return true
  }
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

describe('outbox', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('room -> sent at once', () => {
    const socket = new Socket()
    socket.room = 1
    const outbox = new Outbox(socket, 3, () => undefined)
    outbox.send(text('a'), [7])
    expect(socket.sent).toEqual(['a 7'])
    expect(outbox.busy).toBe(false)
  })

  it('full -> kept in order, sent when there is room, then told', () => {
    const socket = new Socket()
    const drained = vi.fn()
    const outbox = new Outbox(socket, 3, drained)
    for (const name of ['a', 'b', 'c']) outbox.send(text(name), [])
    expect(outbox.busy).toBe(true)
    socket.room = 2
    vi.advanceTimersByTime(10)
    expect(socket.sent).toEqual(['a ', 'b '])
    expect(drained).not.toHaveBeenCalled()
    socket.room = 5
    outbox.send(text('d'), [])
    vi.advanceTimersByTime(10)
    expect(socket.sent).toEqual(['a ', 'b ', 'c ', 'd '])
    expect(drained).toHaveBeenCalledTimes(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('worker gone -> nothing waits, nothing throws', () => {
    const socket = new Socket()
    const outbox = new Outbox(socket, 3, () => undefined)
    outbox.send(text('a'), [])
    socket.gone = true
    vi.advanceTimersByTime(10)
    expect(outbox.busy).toBe(false)
  })

  it('closed -> drops what waits, no timer left', () => {
    const outbox = new Outbox(new Socket(), 3, () => undefined)
    outbox.send(text('a'), [])
    outbox.close()
    expect(outbox.busy).toBe(false)
    expect(vi.getTimerCount()).toBe(0)
  })
})
