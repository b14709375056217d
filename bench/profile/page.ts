/** docs/profile.md, all of it. */
import { categoryTable, countTable, functionTable } from './figures.js'
import type { Profile } from './measure.js'

const INTRODUCTION = `# Where each microsecond of a request goes

64 byte echo, each connection with one request under way, on TAS as a service, TAS embedded, node:net and C epoll, over the same veth link; and what
is asked of programs that know nothing of TAS (node:net, node:http, node:tls, and connections that open and close), on it and as they are. How the
servers and the link are made stands in [benchmark.md](benchmark.md). This page is written by
\`npm run bench:profile\`, text and figures.

\`perf\` takes samples of all threads of all processes of a server (on TAS: slow path, worker and application). Each is put into one of the rows
by the names on its stack (\`bench/profile/categories.ts\`). A figure is the CPU time that /proc says the processes used for a request, as much of it
as the row has of the samples. What is counted is counted in a second load on the same server, because counting system calls makes them dearer.

Reading it:

- Only what the kernel charges to the server's processes is here. A veth link does the receiver's work on the CPU of the sender: frames that the
  client sends reach the server's socket, or packet ring, at the client's cost, and what the peer's TCP does with an answer is charged to the server.
  Rows "while we send" are that; with a network card it would be done elsewhere.
- The clock that takes samples is an interrupt. Where the kernel has interrupts off, the sample comes when they are on again: at the end of a lock,
  or of a change of threads, so that waking and scheduling have more than is theirs.
- Taking samples is charged to the server, too, on all alike. Requests/s are those of the load with samples.
- "All but TAS's own part", of programs that know nothing of TAS: the rows without fast path, slow path, library and addon. What is left are the program, Node, and
  the kernel's way of an answer to the peer: nothing in user space beneath the program could take less on this link, however fast.
- Functions that V8 has inlined count for the one that they are in. Library code in a process of TAS is that process's part.
`

function section(scene: string, profiles: readonly Profile[]): string[] {
  const own = profiles.filter((profile) => profile.scene === scene)
  const hottest = own.map(functionTable).find((table) => table !== null)
  return [
    `## ${scene}`, categoryTable(own), countTable(own),
    ...(hottest === undefined ? [] : ['The functions that the worker of the service was in most often, without those that they call:', hottest]),
  ]
}

/** The page. `notes` are the conditions, `plot` the path of the plot from the page. */
export function profilePage(profiles: readonly Profile[], notes: readonly string[], plot: string): string {
  const scenes = [...new Set(profiles.map(({ scene }) => scene))]
  const sections = scenes.flatMap((scene) => section(scene, profiles))
  const parts = [INTRODUCTION.trimEnd(), `![CPU of a request by what it was spent on](${plot})`, ...sections, '## Conditions', notes.join('  \n')]
  return `${parts.join('\n\n')}\n`
}
