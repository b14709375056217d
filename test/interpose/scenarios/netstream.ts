/** `node:net`: what a program sees of a connection as a stream, data and ends. */
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { collect, pair } from './pair.js'
import { closed, errorOf, HOST, listen, next, record, runCases } from './runner.js'

/** More than any buffers on the way hold. */
const UNWRITABLE_BYTES = 1 << 26

await runCases({
  'large data both ways: every byte, counts': async () => {
    const { server, near, far } = await pair()
    const data = Buffer.alloc(5_000_000, 'abcdefghijklmno')
    near.end(data)
    far.end(data)
    const [a, b] = await Promise.all([collect(near), collect(far)])
    await closed(server)
    return [a.equals(data), b.equals(data), near.bytesRead, near.bytesWritten, far.bytesRead, far.bytesWritten]
  },

  'strings in all encodings': async () => {
    const { server, near, far } = await pair()
    near.write('äöü€\u{1f600}', 'utf8')
    near.write('\u00e4\u00ff', 'latin1')
    near.write('abc', 'ascii')
    near.write('ä€', 'utf16le')
    near.write('68656c6c6f', 'hex')
    near.write('', 'utf8')
    near.cork()
    near.write('corked ')
    near.write(Buffer.from('buffers '))
    near.write('é', 'latin1')
    near.uncork()
    near.end('x'.repeat(100_000) + 'ü')
    const bytes = await collect(far)
    far.end()
    await closed(server)
    return [bytes.length, bytes.subarray(0, 60).toString('hex'), bytes.subarray(-3).toString('hex'), near.bytesWritten]
  },

  'corked strings and Buffers, more than fits: in order, counted': async () => {
    const { server, near, far } = await pair()
    const rounds = Array.from({ length: 40 }, (_, i) => [`${i} head: é\r\n`, Buffer.alloc(30_000, i), 'ü'.repeat(9_000), ''] as const)
    const expected = Buffer.concat(rounds.flatMap(([head, ...rest]) => [Buffer.from(head, 'latin1'), ...rest.map((chunk) => Buffer.from(chunk))]))
    const done: number[] = []
    rounds.forEach(([head, body, tail, nothing], i) => {
      near.cork()
      near.write(head, 'latin1')
      near.write(body)
      near.write(tail, 'utf8')
      near.write(nothing, 'latin1', () => done.push(i))
      near.uncork()
    })
    near.end()
    const bytes = await collect(far)
    far.end()
    await closed(server)
    return [bytes.equals(expected), bytes.length, done.length, near.bytesWritten]
  },

  'half-open: the server goes on sending': async () => {
    const { server, near, far } = await pair({ allowHalfOpen: true })
    near.end('question')
    const question = (await collect(far)).toString()
    far.write('late ')
    await sleep(20)
    far.end('answer')
    const answer = (await collect(near)).toString()
    await closed(server)
    return [question, answer]
  },

  'half-open client': async () => {
    const { server, near, far } = await pair({}, { allowHalfOpen: true })
    far.end('bye')
    near.resume()
    await next(near, 'end')
    const writable = near.writable
    near.end('still here')
    const text = (await collect(far)).toString()
    await closed(server)
    return [writable, text]
  },

  'back-pressure: write says false, drain comes': async () => {
    const { server, near, far } = await pair({ pauseOnConnect: true })
    const chunk = Buffer.alloc(1 << 20, 7)
    let writes = 0
    while (near.write(chunk) || writes < 64) {
      writes++
      if (near.writableNeedDrain && writes >= 64) break
    }
    const isFull = near.writableLength > 0
    const drained = next(near, 'drain')
    far.resume()
    let got = 0
    far.on('data', (bytes: Buffer) => { got += bytes.length })
    await drained
    near.end()
    await next(far, 'end')
    await closed(server)
    return [isFull, got === near.bytesWritten, near.writableLength]
  },

  'pause and resume': async () => {
    const { server, near, far } = await pair()
    let got = 0
    far.on('data', (bytes: Buffer) => { got += bytes.length })
    far.pause()
    near.write(Buffer.alloc(100_000))
    await sleep(100)
    const whilePaused = got
    far.resume()
    near.end()
    await next(far, 'end')
    await closed(server)
    return [whilePaused <= 65_536, got]
  },

  'data and end before the reader reads': async () => {
    const { server, near, far } = await pair({ pauseOnConnect: true })
    near.end(Buffer.alloc(50_000, 1))
    await sleep(100)
    far.resume()
    const bytes = await collect(far)
    await closed(server)
    return bytes.length
  },

  'reset while unread data waits: data first': async () => {
    const { server, near, far } = await pair({ pauseOnConnect: true })
    near.write('last words')
    await sleep(50)
    near.resetAndDestroy()
    await sleep(50)
    const chunks: string[] = []
    far.on('data', (bytes: Buffer) => chunks.push(bytes.toString()))
    const log: string[] = []
    record(far, ['error', 'end', 'close'], log)
    far.resume()
    await next(far, 'close')
    await closed(server)
    // libuv of Node 20 takes the reset for an end then, later ones tell it.
    return [log.length, chunks]
  },

  'reset by the peer: error on both read and close': async () => {
    const { server, near, far } = await pair()
    far.resume()
    const log: string[] = []
    record(far, ['error', 'end', 'close'], log)
    const error = next(far, 'error')
    near.resetAndDestroy()
    const seen = errorOf(await error)
    await closed(server)
    return [seen, log, near.destroyed]
  },

  'reset or destroyed while a write waits: its callback comes before close': async () => {
    const order = async (end: (near: net.Socket, far: net.Socket) => unknown): Promise<string[]> => {
      const { server, near, far } = await pair({ pauseOnConnect: true })
      far.on('error', () => undefined)
      const log: string[] = []
      record(near, ['error', 'close'], log)
      near.write(Buffer.alloc(UNWRITABLE_BYTES), () => log.push('callback'))
      await sleep(50)
      end(near, far)
      await next(near, 'close')
      await sleep(50)
      far.destroy()
      await closed(server)
      return log
    }
    return [await order((_near, far) => far.resetAndDestroy()), await order((near) => near.destroy())]
  },

  'destroy with unread data: the peer sees a reset': async () => {
    const { server, near, far } = await pair({ pauseOnConnect: true })
    near.resume()
    near.write('unread')
    await sleep(50)
    far.destroy()
    const seen = errorOf(await next(near, 'error'))
    await closed(server)
    return seen
  },

  'destroyed in the turn in which the peer writes: the peer hears of it, whatever is still on its way': async () => {
    const seen: unknown[] = []
    for (const bytes of [1, 10_000, UNWRITABLE_BYTES]) {
      const { server, near, far } = await pair()
      far.on('error', () => undefined)
      near.destroy()
      far.write(Buffer.alloc(bytes))
      await next(far, 'close')
      await closed(server)
      seen.push(far.destroyed)
    }
    return seen
  },

  'destroy in a data handler is no reset': async () => {
    const { server, near, far } = await pair()
    const log: string[] = []
    record(near, ['error', 'end', 'close'], log)
    near.resume()
    far.on('data', () => far.destroy())
    near.write('hello')
    await next(near, 'close')
    await closed(server)
    return log
  },

  'write after the peer is gone: EPIPE or ECONNRESET': async () => {
    const { server, near, far } = await pair({}, { allowHalfOpen: true })
    far.destroy()
    near.resume()
    await next(near, 'end')
    const first = await new Promise((resolve) => near.write('first', resolve))
    const error = next(near, 'error')
    // The answer to the first is on its way: until it is here, writes succeed.
    const timer = setInterval(() => near.write('again'), 20)
    const seen = errorOf(await error)
    clearInterval(timer)
    await closed(server)
    return [first ?? null, seen]
  },

  'write after end': async () => {
    const { server, near, far } = await pair()
    far.resume()
    near.end()
    const error = next(near, 'error')
    near.write('x')
    const seen = errorOf(await error)
    await closed(server)
    return seen
  },

  'write callbacks in order, finish behind them': async () => {
    const { server, near, far } = await pair()
    far.resume()
    const log: string[] = []
    near.write('a', () => log.push('a'))
    near.write(Buffer.alloc(3_000_000), () => log.push('b'))
    near.on('finish', () => log.push('finish'))
    near.end('c', () => log.push('end'))
    await next(near, 'close')
    await closed(server)
    return log
  },

  'destroy with a write under way: its callback has an error': async () => {
    const { server, near, far } = await pair({ pauseOnConnect: true })
    const result = new Promise((resolve) => near.write(Buffer.alloc(64 << 20), resolve))
    await sleep(20)
    near.destroy()
    const error = await result
    far.destroy()
    await closed(server)
    return error instanceof Error ? [error.message, (error as NodeJS.ErrnoException).code] : error ?? null
  },

  'onread: a buffer of the program': async () => {
    const server = net.createServer((socket) => socket.end(Buffer.alloc(10_000, 'z')))
    const port = await listen(server)
    let total = 0
    let largest = 0
    const socket = net.connect({ port, host: HOST, onread: {
      buffer: Buffer.alloc(1000),
      callback: (len, buffer) => {
        total += len
        largest = Math.max(largest, len)
        return buffer[0] === 122
      },
    } })
    await next(socket, 'end')
    await closed(server)
    return [total, largest]
  },
})
