/**
 * Package `tasjs/interpose`: `node --import tasjs/interpose app.js` puts the TCP of a program that knows nothing of TAS on TAS.
 * docs/interpose.md says what it does and what not.
 */
import { complain } from './errors.js'
import { hookIsStreamBase } from './handle/asked.js'
import { hookActive } from './hooks/active.js'
import { hookCluster } from './hooks/cluster.js'
import { hookInstanceOf } from './hooks/instanceof.js'
import { hookParser } from './hooks/parser.js'
import { hookReceive } from './hooks/receive.js'
import { hookSend } from './hooks/send.js'
import { hookServerListen } from './hooks/serverlisten.js'
import { hookSocketConnect } from './hooks/socketconnect.js'
import { hookTcpBind, hookTcpConnect } from './hooks/tcp.js'
import { hookReinitialize } from './hooks/swap.js'
import { hookTls } from './hooks/tls.js'
import { hookTransfer } from './hooks/transfer.js'
import { missingInternal } from './internals.js'
import { readSettings, SettingError } from './settings.js'
import { shareSocketShapes } from './socketshape.js'
import { sourceOf } from './source.js'
import { Transport } from './transport.js'

/** Exit code for what the user has to change: as that of `tas`. */
const EXIT_USAGE = 2
const INSTALLED = Symbol.for('tasjs.interpose')

/** What `read` returns; a program with wrong settings does not start. */
function checked<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof SettingError)) throw error
    complain(error.message)
    process.exit(EXIT_USAGE)
  }
}

function install(): void {
  const chosen = checked(() => readSettings(process.env))
  if (missingInternal !== null) {
    const end = chosen.whenMissing === 'stop' ? 'the program is not started' : 'the program uses the kernel\'s TCP'
    complain(`Node ${process.version} lacks what is needed (${missingInternal}): ${end}`)
    if (chosen.whenMissing === 'stop') process.exit(EXIT_USAGE)
    return
  }
  shareSocketShapes()
  const transport = new Transport(chosen, checked(() => sourceOf(chosen)))
  hookInstanceOf()
  hookSocketConnect(transport)
  hookTcpConnect(transport)
  hookTcpBind(transport)
  hookServerListen(transport)
  hookCluster(transport)
  hookTls(transport)
  hookParser()
  hookReinitialize()
  hookIsStreamBase()
  hookSend(transport)
  hookReceive(transport)
  hookTransfer(transport)
  hookActive(transport)
}

// --import and NODE_OPTIONS may both name it.
if (!Reflect.has(process, INSTALLED)) {
  Reflect.set(process, INSTALLED, true)
  install()
}
