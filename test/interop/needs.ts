/** What this machine lacks for a part of the interoperation tests. */
import { existsSync } from 'node:fs'
import { compiled, missing, namespacesRefused, nativeProgram, run } from '../../tools/netlab/index.js'

/** Why two hosts cannot be made here, or null if they can. */
export async function hostsRefused(): Promise<string | null> {
  const unbuilt = missing([
    compiled('service/main.js'), compiled('test/e2e/peeragent.js'), compiled('tools/linkem/main.js'), nativeProgram('offloads'),
  ])
  return unbuilt.length > 0 ? 'not built: npm run build' : namespacesRefused()
}

/** Why there is no lwIP, or null. */
export function lwipMissing(): string | null {
  return existsSync(nativeProgram('lwip_peer')) ? null : 'lwIP is not installed: apt-get install liblwip-dev, npm run build'
}

/** Why captures cannot be examined, or null. */
export async function tsharkMissing(): Promise<string | null> {
  for (const program of ['tshark', 'reordercap']) {
    try {
      await run(program, ['--version'])
    } catch {
      return `${program} is not installed: apt-get install tshark`
    }
  }
  return null
}
