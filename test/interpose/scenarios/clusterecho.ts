/** A cluster of two workers that echo on HOST; prints the port. */
import { sharing } from './clustermembers.js'
import { HOST } from './runner.js'

const { port } = await sharing(2, { port: 0, host: HOST }, 'echo')
process.stdout.write(`${port}\n`)
