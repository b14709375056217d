/**
 * A bad program on TAS: `vandal.js SEED`. Listens on port 7300; on SIGUSR2 it writes random words over all of
 * its region but the buffers, many times, ringing every bell, and then hangs.
 */
import { pathToFileURL } from 'node:url'
import { buffersOffset, readAppRegionHeader } from '../../lib/memif/index.js'
import { LISTEN_ACCEPT, LISTEN_NEWCONN, LISTEN_OPEN, Tas } from '../../lib/tas/index.js'
import { Random } from './seeded.js'

export const VANDAL_PORT = 7300
const ROUNDS = 300
/** Words written before the bells are rung. */
const WORDS = 20_000

function scribble(tas: Tas, random: Random): void {
  const { words, slow, workers } = tas.link
  const end = buffersOffset(readAppRegionHeader(words)) / 4
  // The first context's rings, and then anywhere.
  for (let round = 0; round < ROUNDS; round++) {
    const span = round % 2 === 0 ? 4096 : end
    for (let n = 0; n < WORDS; n++) words[random.u32() % span] = round % 3 === 0 ? random.u32() % 128 : random.u32()
    slow.wake()
    for (const worker of workers) worker.wake()
  }
}

function main(): void {
  const random = new Random(Number(process.argv[2]))
  const tas = Tas.connect({ name: 'vandal' })
  const context = tas.createContext()
  const listener = context.listen(VANDAL_PORT)
  context.attach(event => {
    if (event.type === LISTEN_OPEN) console.log('ready')
    if (event.type === LISTEN_NEWCONN) listener.accept()
    if (event.type === LISTEN_ACCEPT) console.log('accepted')
  })
  process.once('SIGUSR2', () => {
    scribble(tas, random)
    console.log('done')
    // Nothing of the library may be used any more: this program's own memory is garbage.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
