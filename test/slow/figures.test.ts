/** The worked examples of RFC 9293, 3.5 and 3.6, line by line, with TAS as either peer. */
import { describe, it } from 'vitest'
import { Dialogue } from './dialogue.js'

interface Example {
  readonly figure: string
  readonly peer: 'A' | 'B'
  readonly lines: readonly string[]
}

const TIME_WAIT_MS = 60_000

const EXAMPLES: readonly Example[] = [
  {
    figure: 'figure 6: basic three-way handshake', peer: 'A', lines: [
      'open', 'out <SEQ=100><CTL=SYN>', 'state SYN-SENT',
      'in <SEQ=300><ACK=101><CTL=SYN,ACK>', 'out <SEQ=101><ACK=301><CTL=ACK>', 'state ESTABLISHED', 'error 0',
      'send 5', 'out <SEQ=101><ACK=301><CTL=ACK><DATA=5>', 'state ESTABLISHED',
    ],
  },
  {
    figure: 'figure 6: basic three-way handshake', peer: 'B', lines: [
      'listen', 'in <SEQ=100><CTL=SYN>', 'out <SEQ=300><ACK=101><CTL=SYN,ACK>', 'state SYN-RECEIVED',
      'in <SEQ=101><ACK=301><CTL=ACK>', 'state ESTABLISHED',
      'in <SEQ=101><ACK=301><CTL=ACK><DATA=5>', 'out <SEQ=301><ACK=106><CTL=ACK>', 'received 5',
    ],
  },
  {
    // Both sides are alike. The ACK at the end answers the SYN that comes a second time; the figure stops before it.
    figure: 'figure 7: simultaneous open', peer: 'A', lines: [
      'open', 'out <SEQ=100><CTL=SYN>', 'state SYN-SENT',
      'in <SEQ=300><CTL=SYN>', 'state SYN-RECEIVED', 'out <SEQ=100><ACK=301><CTL=SYN,ACK>',
      'in <SEQ=300><ACK=101><CTL=SYN,ACK>', 'state ESTABLISHED', 'error 0', 'out <SEQ=101><ACK=301><CTL=ACK>',
    ],
  },
  {
    figure: 'figure 8: recovery from an old duplicate SYN', peer: 'A', lines: [
      'open', 'out <SEQ=100><CTL=SYN>', 'state SYN-SENT',
      'in <SEQ=300><ACK=91><CTL=SYN,ACK>', 'out <SEQ=91><CTL=RST>', 'state SYN-SENT',
      'in <SEQ=400><ACK=101><CTL=SYN,ACK>', 'out <SEQ=101><ACK=401><CTL=ACK>', 'state ESTABLISHED',
    ],
  },
  {
    figure: 'figure 8: recovery from an old duplicate SYN', peer: 'B', lines: [
      'listen', 'in <SEQ=90><CTL=SYN>', 'out <SEQ=300><ACK=91><CTL=SYN,ACK>', 'state SYN-RECEIVED',
      'in <SEQ=91><CTL=RST>', 'state CLOSED',
      'in <SEQ=100><CTL=SYN>', 'out <SEQ=400><ACK=101><CTL=SYN,ACK>', 'state SYN-RECEIVED',
      'in <SEQ=101><ACK=401><CTL=ACK>', 'state ESTABLISHED',
    ],
  },
  {
    figure: 'figure 9: half-open connection discovery', peer: 'A', lines: [
      'open', 'out <SEQ=400><CTL=SYN>',
      'in <SEQ=300><ACK=100><CTL=ACK>', 'out <SEQ=100><CTL=RST>', 'state SYN-SENT',
      'wait 10', 'out <SEQ=400><CTL=SYN>',
    ],
  },
  {
    figure: 'figure 9: half-open connection discovery', peer: 'B', lines: [
      'established 300 100',
      'in <SEQ=400><CTL=SYN>', 'out <SEQ=300><ACK=100><CTL=ACK>', 'state ESTABLISHED',
      'in <SEQ=100><CTL=RST>', 'state CLOSED', 'error 104',
      'in <SEQ=400><CTL=SYN>', 'out <SEQ=300><ACK=401><CTL=SYN,ACK>',
    ],
  },
  {
    figure: 'figure 10: active side causes half-open connection discovery', peer: 'A', lines: [
      'in <SEQ=300><ACK=100><DATA=10><CTL=ACK>', 'out <SEQ=100><CTL=RST>',
    ],
  },
  {
    figure: 'figure 10: active side causes half-open connection discovery', peer: 'B', lines: [
      'established 300 100', 'send 10', 'out <SEQ=300><ACK=100><DATA=10><CTL=ACK>',
      'in <SEQ=100><CTL=RST>', 'state CLOSED', 'error 104',
    ],
  },
  {
    figure: 'figure 11: old duplicate SYN and two passive sockets', peer: 'A', lines: [
      'listen', 'in <SEQ=300><ACK=100><CTL=SYN,ACK>', 'out <SEQ=100><CTL=RST>', 'state CLOSED',
    ],
  },
  {
    figure: 'figure 11: old duplicate SYN and two passive sockets', peer: 'B', lines: [
      'listen', 'in <SEQ=99><CTL=SYN>', 'out <SEQ=300><ACK=100><CTL=SYN,ACK>', 'state SYN-RECEIVED',
      'in <SEQ=100><CTL=RST>', 'state CLOSED',
      'in <SEQ=200><CTL=SYN>', 'out <SEQ=300><ACK=201><CTL=SYN,ACK>',
    ],
  },
  {
    figure: 'figure 12: normal close', peer: 'A', lines: [
      'established 100 300', 'close', 'out <SEQ=100><ACK=300><CTL=FIN,ACK>', 'state FIN-WAIT-1',
      'in <SEQ=300><ACK=101><CTL=ACK>', 'state FIN-WAIT-2',
      'in <SEQ=300><ACK=101><CTL=FIN,ACK>', 'out <SEQ=101><ACK=301><CTL=ACK>', 'state TIME-WAIT',
      `wait ${TIME_WAIT_MS - 1}`, 'state TIME-WAIT', 'wait 2', 'state CLOSED', 'error 0',
    ],
  },
  {
    figure: 'figure 12: normal close', peer: 'B', lines: [
      'established 300 100',
      'in <SEQ=100><ACK=300><CTL=FIN,ACK>', 'out <SEQ=300><ACK=101><CTL=ACK>', 'state CLOSE-WAIT',
      'close', 'out <SEQ=300><ACK=101><CTL=FIN,ACK>', 'state LAST-ACK',
      'in <SEQ=101><ACK=301><CTL=ACK>', 'state CLOSED', 'error 0',
    ],
  },
  {
    // Both sides are alike.
    figure: 'figure 13: simultaneous close', peer: 'A', lines: [
      'established 100 300', 'close', 'out <SEQ=100><ACK=300><CTL=FIN,ACK>', 'state FIN-WAIT-1',
      'in <SEQ=300><ACK=100><CTL=FIN,ACK>', 'out <SEQ=101><ACK=301><CTL=ACK>', 'state CLOSING',
      'in <SEQ=301><ACK=101><CTL=ACK>', 'state TIME-WAIT',
      `wait ${TIME_WAIT_MS - 1}`, 'state TIME-WAIT', 'wait 2', 'state CLOSED', 'error 0',
    ],
  },
]

describe('worked examples', () => {
  it.each(EXAMPLES)('$figure, TAS is peer $peer -> line by line as in RFC 9293', ({ lines }) => {
    new Dialogue().play(lines)
  })
})
