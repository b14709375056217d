/** Network devices for the port tests, named after the process and removed afterwards. */
import { execFileSync } from 'node:child_process'
import { Regions } from '../../native/memory.js'
import type { Port } from '../../native/port.js'
import { waitReadable } from '../../native/wake.js'
import { isOurs } from './frames.js'

export function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' })
}

/** Makes a pair of devices without IPv6 addresses, both up. */
export function makePair(a: string, b: string, mtu = 1500): void {
  ip('link', 'add', a, 'mtu', String(mtu), 'type', 'veth', 'peer', 'name', b, 'mtu', String(mtu))
  for (const name of [a, b]) {
    ip('link', 'set', name, 'addrgenmode', 'none')
    ip('link', 'set', name, 'up')
  }
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
