/** Fanout groups: AF_PACKET sockets that share the frames of an interface, each frame going to one of them. */
import { addon } from './addon.js'

/** A group of sockets that are all bound to the same interface. */
export class Fanout {
  private readonly fd: number

  /**
   * Joins the sockets `fds` to one new group: a program's result chooses the socket by its place in `fds`. Before the first
   * program the first socket gets all frames. Throws Error with `code`. Their membership ends with their last descriptor.
   */
  constructor(fds: readonly number[]) {
    let group = -1
    for (const fd of fds) group = addon().fanoutJoin(fd, group)
    this.fd = fds[0]
  }

  /**
   * Replaces the group's program: classic BPF instructions as the kernel has them, 8 bytes each. At its start the packet begins with
   * the IP header. `done` is called from the event loop, with an Error if the kernel refused; otherwise every frame that the program
   * before has chosen a socket for is in that socket's ring by then. One call at a time.
   */
  steer(program: Uint8Array, done: (error?: Error) => void): void {
    addon().fanoutSteer(this.fd, program, done)
  }
}
