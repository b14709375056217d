/** A process that runs the seeds it is told, one after the other, until its parent hangs up. */
import { runSeed } from './run.js'

process.on('message', (seed: number) => {
  process.send?.(runSeed(seed))
})
// ^C goes to the whole group; the parent says when it is over.
process.on('SIGINT', () => undefined)
process.on('disconnect', () => process.exit(0))
