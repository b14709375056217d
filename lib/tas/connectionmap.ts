/**
 * What a program keeps for each of its connections. V8 keeps the table that a Map has grown or shrunk out of, with all that stood in it, until the
 * old generation is collected: of connections that come and go, and all that they refer to, half of the new space so survived each scavenge.
 */
import type { Connection } from './connection.js'
import { placeOfHandle } from './handles.js'

/** A Map from connections of one Tas. An entry is good until the poll after CONN_CLOSED of its connection; a later connection may take its place then. */
export class ConnectionMap<T> {
  /** How many entries there are. */
  size = 0
  /** By place of the connection's handle. */
  private readonly connections: (Connection | null)[] = []
  private readonly values: (T | undefined)[] = []

  get(connection: Connection): T | undefined {
    const place = placeOfHandle(connection.handle)
    return this.connections[place] === connection ? this.values[place] : undefined
  }

  set(connection: Connection, value: T): void {
    const place = placeOfHandle(connection.handle)
    while (this.connections.length <= place) {
      this.connections.push(null)
      this.values.push(undefined)
    }
    if (this.connections[place] === null) this.size++
    this.connections[place] = connection
    this.values[place] = value
  }

  /** Takes the entry of `connection` out. Returns whether there was one. */
  delete(connection: Connection): boolean {
    const place = placeOfHandle(connection.handle)
    if (this.connections[place] !== connection) return false
    this.connections[place] = null
    this.values[place] = undefined
    this.size--
    return true
  }

  /** All connections with an entry, which may come and go between two steps. */
  * keys(): Generator<Connection, void> {
    for (const connection of this.connections) if (connection !== null) yield connection
  }
}
