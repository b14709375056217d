/** The ways in which Node has streams read. */
import { once } from 'node:events'
import { type Readable, Writable } from 'node:stream'

/** `once` waits for one 'data' at a time: it loses none, as it waits anew before the next one comes. `none`: not at all. */
export type Reading = 'data' | 'pauses' | 'iterator' | 'readable' | 'once' | 'pipe' | 'none'

/** Gives `take` what comes from `source`. Whoever calls it hears of the end by the stream's own events. */
export function read(source: Readable, reading: Reading, take: (chunk: Buffer) => void): void {
  switch (reading) {
    case 'data': return void source.on('data', take)
    case 'pauses': return readPausing(source, take)
    // That it was cut off its 'close' without 'end' says as well.
    case 'iterator': return void iterate(source, take).catch(() => undefined)
    case 'readable': return readReadable(source, take)
    case 'once': return void readOnce(source, take).catch(() => undefined)
    case 'pipe': return pipe(source, take)
    case 'none': return undefined
  }
}

function readPausing(source: Readable, take: (chunk: Buffer) => void): void {
  source.on('data', (chunk: Buffer) => {
    take(chunk)
    source.pause()
    if (chunk.length % 2 === 0) setImmediate(() => source.resume())
    else setTimeout(() => source.resume(), chunk.length % 4)
  })
}

async function iterate(source: Readable, take: (chunk: Buffer) => void): Promise<void> {
  for await (const chunk of source.iterator({ destroyOnReturn: false })) take(chunk as Buffer)
}

function readReadable(source: Readable, take: (chunk: Buffer) => void): void {
  source.on('readable', () => {
    for (let chunk = source.read() as Buffer | null; chunk !== null; chunk = source.read() as Buffer | null) take(chunk)
  })
}

async function readOnce(source: Readable, take: (chunk: Buffer) => void): Promise<void> {
  const closed = new Promise<[]>((resolve) => source.once('close', () => resolve([])))
  for (;;) {
    const [chunk] = await Promise.race([once(source, 'data'), closed]) as unknown[]
    if (!Buffer.isBuffer(chunk)) return
    take(chunk)
  }
}

function pipe(source: Readable, take: (chunk: Buffer) => void): void {
  source.pipe(new Writable({
    highWaterMark: 1_000,
    write: (chunk: Buffer, _encoding, done) => {
      take(chunk)
      setImmediate(done)
    },
  }))
}
