/** Network devices for the port tests, named after the process and removed afterwards. */
import { execFileSync } from 'node:child_process'
import { Regions } from '../../native/memory.js'
import type { Port } from '../../native/port.js'
import { waitReadable } from '../../native/wake.js'
import { isOurs } from './frames.js'

/** Runs `ip` and returns what it prints. */
export function ip(...args: string[]): string {
  return execFileSync('ip', args, { stdio: 'pipe', encoding: 'utf8' })
}

/** Makes a pair of devices without IPv6 addresses, both up. */
export function makePair(a: string, b: string, mtu = 1500): void {
  ip('link', 'add', a, 'mtu', String(mtu), 'type', 'veth', 'peer', 'name', b, 'mtu', String(mtu))
  for (const name of [a, b]) {
    ip('link', 'set', name, 'addrgenmode', 'none')
    ip('link', 'set', name, 'up')
  }
  for (const name of [a, b]) awaitCarrier(name)
}

/** Waits until the kernel has noticed that a device is up: it drops what is sent before, and notices a moment later. Fails after ten seconds. */
export function awaitCarrier(name: string): void {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs++) {
    const [{ operstate, qdisc }] = JSON.parse(ip('-j', 'link', 'show', name)) as { readonly operstate: string; readonly qdisc: string }[]
    if (operstate === 'UP' && qdisc !== 'noop') return
    Atomics.wait(pause, 0, 0, 1)
  }
  throw new Error(`${name} is up and has no carrier`)
}

/** Gives a device a rate and a queue of `limitBytes`. Returns false if the kernel cannot. */
export function limitRate(name: string, rate: string, limitBytes: number): boolean {
  try {
    const limits = ['rate', rate, 'burst', '2000', 'limit', String(limitBytes)]
    execFileSync('tc', ['qdisc', 'add', 'dev', name, 'root', 'tbf', ...limits], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

export function unlimitRate(name: string): void {
  execFileSync('tc', ['qdisc', 'del', 'dev', name, 'root'], { stdio: 'pipe' })
}

export function removeDevice(name: string): void {
  try {
    ip('link', 'del', name)
  } catch {
    // It went with its peer or its descriptor.
  }
}

/** Why devices cannot be made here, or null. */
export function whyNoDevices(): string | null {
  const name = `tn${process.pid}x`
  try {
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`)
    removeDevice(name)
    return null
  } catch (error) {
    return `no network devices: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`
  }
}

/** Regions 0 and 1 of 1 MiB each. */
export function makeRegions(): { regions: Regions; state: Uint8Array; app: Uint8Array } {
  const regions = new Regions()
  const state = new Uint8Array(1 << 20)
  const app = new Uint8Array(1 << 20)
  regions.add(0, state.buffer)
  regions.add(1, app.buffer)
  return { regions, state, app }
}

/**
 * Waits for `count` frames of ours and shows each to `visit` while its burst is there. Frames of others are passed over.
 * The burst is released behind it. Fails after ten seconds without a frame.
 */
export function takeFrames(port: Port, count: number, visit: (index: number, nth: number) => void): void {
  for (let seen = 0; seen < count;) {
    const found = port.receive()
    for (let i = 0; i < found; i++) if (isOurs(port, i)) visit(i, seen++)
    port.release()
    if (found === 0 && waitReadable(Int32Array.of(port.fd), 1, 10e6) === 0) throw new Error(`only ${seen} of ${count} frames came`)
  }
}
