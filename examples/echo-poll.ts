/** Echo server with a loop of its own, for the lowest latency: nothing else runs in this thread. */
import { createEvents } from 'tasjs'
import { fail, numberOption, onSignal, openTas, parseCommandLine, stringOption, TAS_OPTIONS, TAS_USAGE } from './cli.js'
import { Echo } from './echoing.js'

const USAGE = `usage: node echo-poll.js [--port PORT] [--address ADDRESS] [--socket PATH] [--nic NAME --ip-addr ADDR/PREFIXLEN]

Sends back what it receives, on TAS, from a poll/block loop.

  --port PORT        port to listen on (default 7)
  --address ADDRESS  local address (default: all of TAS's)
${TAS_USAGE}
  --help             this text`

/** Signals are handled in Node's event loop, so the loop goes there after this many polls, or when it has waited so long. */
const POLLS_PER_TURN = 4096
const WAIT_US = 250_000

const OPTIONS = { port: { type: 'string' }, address: { type: 'string' }, ...TAS_OPTIONS } as const

const { values } = parseCommandLine(USAGE, OPTIONS)
const port = numberOption(values, 'port', 7, 0, 65535)

try {
  const tas = await openTas(values, 'echo-poll')
  const context = tas.createContext()
  const events = createEvents(64)
  let running = true
  const echo = new Echo(() => { running = false })
  const listener = context.listen(port, { backlog: 1024, address: stringOption(values, 'address', '0.0.0.0') })

  const turn = (): void => {
    let waited = false
    for (let polls = 0; running && polls < POLLS_PER_TURN; polls++) {
      const count = context.poll(events)
      for (let i = 0; i < count; i++) echo.handle(events[i])
      if (count === 0 && waited) break
      if (count === 0) context.block(WAIT_US)
      waited = count === 0
    }
    if (running) setImmediate(turn)
    else tas.close()
  }
  onSignal(() => echo.stop(listener))
  turn()
} catch (error) {
  fail(error)
}
