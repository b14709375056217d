/**
 * A k-ary fat tree (Al-Fares et al., SIGCOMM 2008): k pods of k/2 edge and k/2 aggregation switches, (k/2)^2 core switches, k^3/4 hosts, all links
 * alike. Up, a switch chooses among k/2 ports by the flow's hash; down there is one way.
 */
import { Fabric } from '../engine/fabric.js'
import { Ledger } from '../engine/flowprogram.js'
import { Node, type NodeOptions } from '../engine/node.js'
import { hostPort, OutputPort, type PortOptions, type Receiver } from '../engine/outputport.js'
import { Switch } from '../engine/switch.js'

export interface FatTreeOptions {
  readonly seed: number
  /** Ports of a switch; even. */
  readonly k: number
  readonly port: PortOptions
  readonly host: Omit<NodeOptions, 'ip'>
}

export interface FatTree {
  readonly fabric: Fabric
  readonly nodes: readonly Node[]
  /** Of all switches. */
  readonly ports: readonly OutputPort[]
}

/** Address of host `index` in the scheme of the paper (3.2): 10.pod.edge.2 and on. */
export function fatTreeIp(k: number, index: number): number {
  const half = k / 2
  const [pod, edge, host] = [Math.floor(index / (half * half)), Math.floor(index / half) % half, index % half]
  return 0x0a000000 + (pod << 16) + (edge << 8) + host + 2
}

/** Links on the way between two hosts: 2 below one edge switch, 4 in a pod, 6 between pods. */
export function linksBetween(a: number, b: number): number {
  if (a >>> 8 === b >>> 8) return 2
  return a >>> 16 === b >>> 16 ? 4 : 6
}

/** What is being built: switches know their ports only once the ports exist. */
class Builder {
  readonly fabric: Fabric
  readonly ports: OutputPort[] = []
  private readonly options: FatTreeOptions
  private salts = 0

  constructor(options: FatTreeOptions) {
    this.options = options
    this.fabric = new Fabric(options.seed)
  }

  port(to: Receiver): OutputPort {
    const port = new OutputPort(this.fabric.timeline, this.options.port, to)
    this.ports.push(port)
    return port
  }

  switch(routing: (ip: number) => readonly OutputPort[]): Switch {
    return new Switch(routing, ++this.salts * 0x9e3779b1)
  }
}

const podOf = (ip: number): number => (ip >>> 16) & 0xff
const edgeOf = (ip: number): number => (ip >>> 8) & 0xff
const hostOf = (ip: number): number => (ip & 0xff) - 2

/** A switch with one port down for each child, and all ports up for what is elsewhere. */
interface Stage {
  readonly node: Switch
  readonly up: OutputPort[]
  readonly down: (readonly OutputPort[])[]
}

function makeStage(builder: Builder, isBelow: (ip: number) => boolean, childOf: (ip: number) => number): Stage {
  const [up, down]: [OutputPort[], (readonly OutputPort[])[]] = [[], []]
  return { up, down, node: builder.switch((ip) => (isBelow(ip) ? down[childOf(ip)] : up)) }
}

/** Throws RangeError unless k is even and from 2 to 32. */
export function makeFatTree(options: FatTreeOptions): FatTree {
  const { k } = options
  if (k % 2 !== 0 || k < 2 || k > 32) throw new RangeError(`fat tree: k = ${k}: even, 2 to 32`)
  const half = k / 2
  const builder = new Builder(options)
  const range = Array.from({ length: half }, (_, i) => i)
  const cores = Array.from({ length: half * half }, () => makeStage(builder, () => true, podOf))
  const pods = Array.from({ length: k }, (_, pod) => ({
    aggregations: range.map(() => makeStage(builder, (ip) => podOf(ip) === pod, edgeOf)),
    edges: range.map((edge) => makeStage(builder, (ip) => podOf(ip) === pod && edgeOf(ip) === edge, hostOf)),
  }))
  for (const { aggregations, edges } of pods) {
    aggregations.forEach((aggregation, a) => {
      for (const core of cores.slice(a * half, (a + 1) * half)) {
        aggregation.up.push(builder.port(core.node))
        core.down.push([builder.port(aggregation.node)])
      }
      for (const edge of edges) {
        aggregation.down.push([builder.port(edge.node)])
        edge.up.push(builder.port(aggregation.node))
      }
    })
  }
  const ledger = new Ledger()
  const nodes = Array.from({ length: half * half * k }, (_, index) => {
    const node = new Node(builder.fabric, { ip: fatTreeIp(k, index), ...options.host }, ledger)
    const edge = pods[podOf(node.ip)].edges[edgeOf(node.ip)]
    edge.down.push([builder.port(node)])
    builder.fabric.connect(node.host, new OutputPort(builder.fabric.timeline, hostPort(options.port), edge.node))
    return node
  })
  return { fabric: builder.fabric, nodes, ports: builder.ports }
}
