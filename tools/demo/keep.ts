/** --keep: everything stays up for the user to play in. */
import { compiled, PEER_ADDRESS, TAS_ADDRESS } from '../netlab/index.js'
import { HTTP_PORT, type Demo } from './demo.js'

/** Whether this runs in a user namespace of its own, which ends with us. */
export const isPrivate = process.env.TASJS_USER_NAMESPACE === '1'

/** What can be done now, line by line. */
export function keepText(demo: Demo): string {
  const { lab, service, http, folder } = demo
  // Only from inside our own user namespace can the network namespaces be seen.
  const enter = isPrivate ? `nsenter --preserve-credentials -U -m -n -t ${process.pid} ` : ''
  const peer = `${enter}ip netns exec ${lab.peer.name}`
  const node = `TAS_SOCKET=${service.socket} node`
  const site = `http://${TAS_ADDRESS}:${HTTP_PORT}`
  const lines = [
    '', `tas (process ${service.process.pid}) and an HTTP server on it (${http.pid}) are running. From Linux's side:`,
    `  ${peer} ping ${TAS_ADDRESS}`, `  ${peer} curl ${site}/`, `  ${peer} ss -tin`,
    "From TAS's side:",
    `  ${node} ${compiled('service/main.js')} stat --interval=1`,
    `  ${node} ${compiled('examples/echo.js')} --port 9000     then, on Linux's side: nc ${TAS_ADDRESS} 9000`,
    `  ${peer} node ${compiled('tools/demo/linuxhttp.js')} ${demo.file.path} 8000     a Linux HTTP server, and from TAS:`,
    `  ${node} ${compiled('examples/http-get.js')} http://${PEER_ADDRESS}:8000/`,
    `tas writes to ${service.logFile}`,
  ]
  if (isPrivate) return [...lines, '^C removes everything.'].join('\n')
  const remove = [
    `  kill ${http.pid} ${service.process.pid}`, `  ip netns delete ${lab.tas.name}; ip netns delete ${lab.peer.name}`,
    `  rm -r ${folder}`,
  ]
  return [...lines, 'To remove it all:', ...remove].join('\n')
}
