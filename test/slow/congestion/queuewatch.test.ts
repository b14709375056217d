/** When a path counts as having a queue, and the average round-trip time over it. */
import { describe, expect, it } from 'vitest'
import { QueueWatch } from '../../../service/slow/congestion/queuewatch.js'

describe('QueueWatch', () => {
  it('no sign yet -> no queue, however many intervals', () => {
    const queue = new QueueWatch()
    for (let i = 0; i < 10; i++) queue.note(100, false)
    expect(queue.isThere).toBe(false)
    expect(queue.quietIntervals).toBe(10)
  })

  it('a sign -> a queue for 64 intervals; another sign -> 64 from there', () => {
    const queue = new QueueWatch()
    queue.note(100, true)
    for (let i = 0; i < 63; i++) queue.note(100, false)
    expect(queue.isThere).toBe(true)
    queue.note(100, true)
    for (let i = 0; i < 63; i++) queue.note(100, false)
    expect(queue.isThere).toBe(true)
    queue.note(100, false)
    expect(queue.isThere).toBe(false)
  })

  it('round-trip times -> the first as it is, others by a sixteenth; none measured: none, and no queue', () => {
    const queue = new QueueWatch()
    queue.note(0, true)
    expect([queue.averageRttUs, queue.isThere]).toEqual([0, false])
    queue.note(160, true)
    queue.note(320, false)
    queue.note(0, false)
    expect([queue.averageRttUs, queue.isThere]).toEqual([170, true])
  })

  it('forget -> as new', () => {
    const queue = new QueueWatch()
    queue.note(100, true)
    queue.forget()
    expect(queue).toEqual(new QueueWatch())
  })
})
