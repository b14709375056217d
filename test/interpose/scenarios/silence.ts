/**
 * A program whose network falls silent: no answer to anything, and no error. HOST and PORTS are a service.ts elsewhere. Prints 'ready', waits for
 * SIGUSR2, and prints what it sees then as a line of JSON.
 */
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { errorOf, HOST, next, record } from './runner.js'

const [echoPort, webPort] = JSON.parse(process.env['PORTS'] ?? '[]') as number[]
const KEEP_ALIVE_MS = 1_000
const TIMEOUT_MS = 300

const kept = net.connect(echoPort, HOST)
await once(kept, 'connect')
kept.setKeepAlive(true, KEEP_ALIVE_MS)
const keptLog: string[] = []
record(kept, ['end', 'close'], keptLog)

process.stdout.write('ready\n')
await once(process, 'SIGUSR2')

const connected = next(net.connect(echoPort, HOST), 'error').then(errorOf)
const requested = next(http.get({ host: HOST, port: webPort }), 'error').then(errorOf)
const impatient = net.connect({ port: echoPort, host: HOST, timeout: TIMEOUT_MS })
await once(impatient, 'timeout')
const isStillConnecting = impatient.connecting
impatient.destroy()
const keptEnds = next(kept, 'close')
const keptError = errorOf(await next(kept, 'error'))
await keptEnds
process.stdout.write(`${JSON.stringify([await connected, await requested, isStillConnecting, keptError, keptLog])}\n`)
process.exit()
