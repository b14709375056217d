/** --keep: everything stays up for the user to play in. */
import { compiled, PEER_ADDRESS } from '../netlab/index.js'
import { clientAddress, httpSite, tasArgs, type Demo } from './demo.js'

/** Whether this runs in a user namespace of its own, which ends with us. */
export const isPrivate = process.env.TASJS_USER_NAMESPACE === '1'

/** What can be done now, line by line. */
export function keepText(demo: Demo): string {
  const { lab, service, http, echo, folder } = demo
  // Only from inside our own user namespace can the network namespaces be seen.
  const enter = isPrivate ? `nsenter --preserve-credentials -U -m -n -t ${process.pid} ` : ''
  const peer = `${enter}ip netns exec ${lab.peer.name}`
  const node = service === null ? `${enter}ip netns exec ${lab.tas.name} node` : `TAS_SOCKET=${service.socket} node`
  const site = httpSite(demo)
  const clientArgs = tasArgs(lab, service).client.map((arg) => `${arg} `).join('')
  const running = service === null ? `An HTTP server with a TAS of its own (process ${http.pid}) is running.`
    : `tas (process ${service.process.pid}) and an HTTP server on it (${http.pid}) are running.`
  const lines = [
    '', `${running} From Linux's side:`,
    `  ${peer} ping ${new URL(site).hostname}`, `  ${peer} curl ${site}/`, `  ${peer} ss -tin`,
    "From TAS's side:",
    ...(service === null ? [] : [`  ${node} ${compiled('service/main.js')} stat --interval=1`]),
    `  ${node} ${compiled('examples/echo.js')} ${clientArgs}--port 9000     then, on Linux's side: nc ${clientAddress(service)} 9000`,
    `  ${peer} node ${compiled('tools/demo/linuxhttp.js')} ${demo.file.path} 8000     a Linux HTTP server, and from TAS:`,
    `  ${node} ${compiled('examples/http-get.js')} ${clientArgs}http://${PEER_ADDRESS}:8000/`,
    `Output is in ${service === null ? folder : service.logFile}`,
  ]
  if (isPrivate) return [...lines, '^C removes everything.'].join('\n')
  const remove = [
    `  kill ${[http.pid, ...(service === null ? [echo.pid] : [service.process.pid])].join(' ')}`,
    `  ip netns delete ${lab.tas.name}; ip netns delete ${lab.peer.name}`,
    `  rm -r ${folder}`,
  ]
  return [...lines, 'To remove it all:', ...remove].join('\n')
}
