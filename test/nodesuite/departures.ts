/** Tests of Node's that cannot pass, or need not, on TAS: the first rule that fits says why. */
import type { TestResult } from './runner.js'

const DEPARTURES: readonly (readonly [RegExp, string])[] = [
  // The address stands for 127.0.0.1, but is TAS's alone.
  [/test-(cluster-dgram|dgram-|https?-autoselectfamily|https?-proxy-request-connection-refused)/, 'uses UDP at the address, which the kernel does not have here'],
  [/test-(https?-localaddress|http2-connect-options)/, 'binds to 127.0.0.2, which is no address of TAS'],
  [/test-net-connect-(nodelay|keepalive)/, 'expects a name and an address at different times: here both are put in place of localhost'],
  [/test-tlswrap/, 'the first TLS socket of a process gets its handle late: hooks see a second TLSWRAP'],
  [/test-httpparser-reuse/, 'expects hooks to be shown each object once: on Node 24 they see TCPWRAP and JSSTREAM, which are one'],
  [/test-report-uv-handles/, 'a diagnostic report lists handles of libuv alone'],
  [/test-listen-fd/, 'hands a server to a program by `stdio`: TAS has no descriptor'],
  [/test-(tcp-wrap-(connect|listen)|async-wrap-getasyncid)/, 'makes handles of the kernel\'s TCP itself (`new TCP`)'],
  [/test-net-persistent-nodelay/, 'replaces a method of `TCP.prototype`'],
  [/test-http-parser-timeout-reset/, 'lets a parser `consume` a handle before it is known where the connection goes'],
  [/test-trace-events-net/, 'trace events of `node.net.native` know the kernel\'s TCP alone'],
  [/test-http-pause-no-dump/, 'expects a request in two reads: here it comes in one'],
  [/test-http2-session-graceful-close/, 'expects a response and the GOAWAY behind it, two writes, in one read'],
  [/test-http2-pack-end-stream-flag/, 'counts the frames of a session: another may come before its end'],
  [/test-http2-misbehaving-flow-control/, 'windows are updated between two frames of a read'],
]

/** What a TAS of the program's own refuses, by what it has told: it is the main thread's of the first process that needs it, and stays there. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/test-net-child-process-connect-reset[^]*another TAS has this address/, 'kills the process that has the TAS: nobody is left to reset its connections'],
  [/this is a worker of a cluster/, 'connects in workers of a cluster: the TAS is the primary\'s'],
  [/this is a worker thread/, 'opens sockets in worker threads: the TAS is the main thread\'s'],
  [/another TAS has this address/, 'opens sockets in several processes: the first one has the TAS'],
  [/no other process or thread has a TAS of this program's own/, 'sends a server to another process: that has no TAS'],
]

function first(rules: readonly (readonly [RegExp, string])[], text: string): string | null {
  return rules.find(([pattern]) => pattern.test(text))?.[1] ?? null
}

/** Why a test is not expected to pass, or null if it is. */
export function departureOf({ name, refused, output }: Pick<TestResult, 'name' | 'refused' | 'output'>): string | null {
  return first(DEPARTURES, name) ?? first(REFUSALS, [name, ...refused, output].join('\n'))
}
