/** Echo server in Node's event loop: other work of the program goes on beside it. */
import { fail, numberOption, onSignal, openTas, parseCommandLine, stringOption, TAS_OPTIONS, TAS_USAGE } from './cli.js'
import { Echo } from './echoing.js'

const USAGE = `usage: node echo.js [--port PORT] [--address ADDRESS] [--socket PATH] [--nic NAME --ip-addr ADDR/PREFIXLEN]

Sends back what it receives, on TAS, from Node's event loop.

  --port PORT        port to listen on (default 7)
  --address ADDRESS  local address (default: all of TAS's)
${TAS_USAGE}
  --help             this text`

const OPTIONS = { port: { type: 'string' }, address: { type: 'string' }, ...TAS_OPTIONS } as const

const { values } = parseCommandLine(USAGE, OPTIONS)
const port = numberOption(values, 'port', 7, 0, 65535)

try {
  const tas = await openTas(values, 'echo')
  const context = tas.createContext()
  const echo = new Echo(() => tas.close())
  const listener = context.listen(port, { backlog: 1024, address: stringOption(values, 'address', '0.0.0.0') })
  context.attach((event) => echo.handle(event))
  onSignal(() => echo.stop(listener))
} catch (error) {
  fail(error)
}
