/** Connections of a context by the flow index and generation that workers use. */
import type { Connection } from './connection.js'

/**
 * Array by flow index. When a flow index is used again before the last events of its former
 * connection were read, the former one stays behind the new one in a chain and is told apart by generation.
 */
export class FlowTable {
  private readonly newest: (Connection | null)[] = []

  add(connection: Connection): void {
    while (this.newest.length <= connection.flow) this.newest.push(null)
    connection.older = this.newest[connection.flow]
    this.newest[connection.flow] = connection
  }

  /** The connection of flow `flow` in generation `gen`, or null. Untrusted input: any numbers are fine. */
  find(flow: number, gen: number): Connection | null {
    if (flow < 0 || flow >= this.newest.length) return null
    let connection = this.newest[flow]
    while (connection !== null && connection.gen !== gen) connection = connection.older
    return connection
  }

  remove(connection: Connection): void {
    if (connection.flow < 0 || connection.flow >= this.newest.length) return
    let at = this.newest[connection.flow]
    if (at === connection) {
      this.newest[connection.flow] = connection.older
    } else {
      while (at !== null && at.older !== connection) at = at.older
      if (at !== null) at.older = connection.older
    }
    connection.older = null
  }
}
