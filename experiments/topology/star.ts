/** A star: hosts on one switch, all links alike. The port to a receiver is the bottleneck of many senders (incast), or of two. */
import { Fabric } from '../engine/fabric.js'
import { Ledger } from '../engine/flowprogram.js'
import { Node, type NodeOptions } from '../engine/node.js'
import { hostPort, OutputPort, type PortOptions } from '../engine/outputport.js'
import { Switch } from '../engine/switch.js'

export interface StarOptions {
  readonly seed: number
  readonly hosts: number
  /** Of the switch's ports. Host ports have rate and wire of them, and a queue of their own. */
  readonly port: PortOptions
  /** Options of host `index`. */
  readonly host: (index: number) => Omit<NodeOptions, 'ip'>
}

export interface Star {
  readonly fabric: Fabric
  readonly nodes: readonly Node[]
  /** The switch's port to each host. */
  readonly ports: readonly OutputPort[]
}

/** Address of host `index`: 10.0.0.1 and on. */
export function starIp(index: number): number {
  return 0x0a000001 + index
}

export function makeStar(options: StarOptions): Star {
  const fabric = new Fabric(options.seed)
  const ledger = new Ledger()
  const routes = new Map<number, readonly OutputPort[]>()
  const hub = new Switch((ip) => routes.get(ip) ?? [], 0)
  const nodes = Array.from({ length: options.hosts }, (_, i) => new Node(fabric, { ip: starIp(i), ...options.host(i) }, ledger))
  const ports = nodes.map((node) => {
    const port = new OutputPort(fabric.timeline, options.port, node)
    routes.set(node.ip, [port])
    fabric.connect(node.host, new OutputPort(fabric.timeline, hostPort(options.port), hub))
    return port
  })
  return { fabric, nodes, ports }
}
