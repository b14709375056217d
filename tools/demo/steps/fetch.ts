import { compiled, PEER_ADDRESS, startProcess } from '../../netlab/index.js'
import { check, program, rate, tasArgs, type Step } from '../demo.js'

const PORT = 8000
const TIMEOUT_MS = 120_000

/** A client on TAS opens a connection to an HTTP server on the Linux kernel. */
export const fetchFromLinux: Step = {
  title: 'a TAS client fetches 256 MiB from a Linux HTTP server',
  async run({ lab, file, service, cleanup }) {
    const server = lab.peer.start('Linux HTTP server', program('tools/demo/linuxhttp.js', [file.path, String(PORT)]))
    await server.line(/ready/)
    const startMs = performance.now()
    const client = startProcess('http-get', {
      command: process.execPath,
      args: [compiled('examples/http-get.js'), ...tasArgs(lab, service).client, `http://${PEER_ADDRESS}:${PORT}/file`],
      ...(service === null ? { namespace: lab.tas.name } : { env: service.env }),
    }, cleanup)
    await client.success(TIMEOUT_MS)
    const speed = rate(file.lenBytes, startMs)
    const said = client.lines.join('\n')
    check(said.includes(file.sha256), `SHA-256 differs: ${said.slice(0, 200)}`)
    await server.stop()
    return `SHA-256 equal, ${speed}`
  },
}
