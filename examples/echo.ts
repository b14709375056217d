/** Echo server in Node's event loop: other work of the program goes on beside it. */
import { connectTas, fail, numberOption, onSignal, parseCommandLine, stringOption } from './cli.js'
import { Echo } from './echoing.js'

const USAGE = `usage: node echo.js [--port PORT] [--address ADDRESS] [--socket PATH]

Sends back what it receives, on TAS, from Node's event loop.

  --port PORT        port to listen on (default 7)
  --address ADDRESS  local address (default: all of TAS's)
  --socket PATH      socket of the TAS service (default: $TAS_SOCKET, then /run/tas.sock)
  --help             this text`

const OPTIONS = { port: { type: 'string' }, address: { type: 'string' }, socket: { type: 'string' } } as const

const { values } = parseCommandLine(USAGE, OPTIONS)
const port = numberOption(values, 'port', 7, 0, 65535)

try {
  const tas = connectTas(values, 'echo')
  const context = tas.createContext()
  const echo = new Echo(() => tas.close())
  const listener = context.listen(port, { backlog: 1024, address: stringOption(values, 'address', '0.0.0.0') })
  context.attach((event) => echo.handle(event))
  onSignal(() => echo.stop(listener))
} catch (error) {
  fail(error)
}
