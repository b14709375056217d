/**
 * What V8 knows of the constructor `net.Socket`, on Node 20. It spreads its options and adds to them. V8 11 has a fast way to spread objects of one shape, and
 * whatever is then added to each of the copies gives it a hidden class of its own: 5 us a socket, ten times as much as all the rest, and more than a
 * kilobyte that only a collection of the old generation finds. Where objects of many shapes have come by, it takes the general way, and the copies share
 * their classes. V8 12, of Node 22, needs none of that.
 */
import { Socket, type SocketConstructorOpts } from 'node:net'

const V8_AFFECTED = 11
/** V8 gives up at more than four; and begins to take note after some calls. Together 1.3 ms. */
const SHAPES = 8
const CALLS = 8

/** Shows the constructor options of many shapes, before the program's first socket. */
export function shareSocketShapes(): void {
  if (Number.parseInt(process.versions.v8, 10) > V8_AFFECTED) return
  const shapes = Array.from({ length: SHAPES }, (_, i): SocketConstructorOpts => ({ [`shape${i}`]: true }))
  for (let call = 0; call < CALLS; call++) for (const options of shapes) new Socket(options)
}
