/** Tests that are interrupted, or whose runner is gone, take away what they have made: namespaces, devices, processes, files. */
import { cleanUpAll } from '../tools/netlab/cleanup.js'

const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143, disconnect: 1 } as const
let isEnding = false

for (const [name, code] of Object.entries(EXIT_CODES)) {
  process.on(name, () => {
    if (isEnding) return
    isEnding = true
    void cleanUpAll().then(() => process.exit(code))
  })
}
