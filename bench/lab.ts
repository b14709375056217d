/** The two namespaces that benchmarks of many connections run in. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLab, PREFIX_LENGTH, uniqueName, type Cleanup, type Lab } from '../tools/netlab/index.js'

/** More addresses of the client's side, for more connections than one address has ports. */
export const CLIENT_ADDRESSES = ['10.77.0.16', '10.77.0.17', '10.77.0.18', '10.77.0.19'] as const

/** Makes the namespaces and a folder for files; both are removed at clean-up. */
export async function createBenchLab(name: string, cleanup: Cleanup): Promise<{ readonly lab: Lab; readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), `${name}-`))
  cleanup.add(folder, () => rm(folder, { recursive: true, force: true }))
  const lab = await createLab({ name: uniqueName(name) }, cleanup)
  // Thousands of connections a second need more ports than 60 s of TIME-WAIT leave.
  await lab.peer.sysctl('net.ipv4.tcp_tw_reuse', 1)
  await lab.peer.sysctl('net.ipv4.ip_local_port_range', '10000 65535')
  await lab.tas.sysctl('net.core.somaxconn', 4096)
  for (const address of CLIENT_ADDRESSES) {
    await lab.peer.run('ip', ['address', 'add', `${address}/${PREFIX_LENGTH}`, 'dev', lab.peer.interface])
  }
  return { lab, folder }
}
