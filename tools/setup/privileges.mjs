/** Whether network namespaces can be made: directly, in a user namespace of our own, or not at all. */
import { runQuietly } from './steps.mjs'

const probe = `tas-setup-${process.pid}`
const TRY = `ip netns add ${probe} && ip -n ${probe} link add v0 type veth peer name v1`
const UNDO = `ip netns delete ${probe}`
/** A user namespace may not write to the host's /run, where `ip netns` keeps its names. */
const OWN_RUN = 'mount -t tmpfs tmpfs /run'

/** @returns {Promise<{ kind: 'direct' | 'unshare' } | { kind: 'none', reason: string }>} */
export async function findPrivileges() {
  const direct = await runQuietly('sh', ['-c', `${TRY}; code=$?; ${UNDO}; exit $code`])
  if (direct.code === 0) return { kind: 'direct' }
  const own = await runQuietly('unshare', ['-Urnm', 'sh', '-c', `${OWN_RUN} && ${TRY}`])
  if (own.code === 0) return { kind: 'unshare' }
  const said = own.output.trim().split('\n')[0]
  return { kind: 'none', reason: `this host permits neither network namespaces nor a user namespace of our own (${said})` }
}

/**
 * The command that runs `command` inside user, mount and network namespaces of its own.
 * @param {readonly string[]} command
 * @returns {string[]}
 */
export function unshared(command) {
  return ['unshare', '-Urnm', 'sh', '-c', `${OWN_RUN} && ip link set lo up && exec "$@"`, 'sh', ...command]
}
