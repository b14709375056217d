/** TCP_INFO in the names and units of tcp(7). */
import type { ConnectionInfo } from '../tas/index.js'
import { SocketError } from './errors.js'
import type { TcpSocket } from './socket.js'

/** struct tcp_info, as far as TAS knows it. Times in microseconds unless the name says otherwise; windows in segments, as Linux has them. */
export interface TcpInfo {
  /** TCP_ESTABLISHED (1), ... of tcp_states.h. */
  readonly tcpi_state: number
  /** TCPI_OPT_TIMESTAMPS (1), TCPI_OPT_SACK (2), TCPI_OPT_WSCALE (4), TCPI_OPT_ECN (8). */
  readonly tcpi_options: number
  readonly tcpi_snd_wscale: number
  readonly tcpi_rcv_wscale: number
  readonly tcpi_probes: number
  readonly tcpi_backoff: number
  readonly tcpi_rto: number
  readonly tcpi_snd_mss: number
  /** Segments, rounded up. */
  readonly tcpi_unacked: number
  readonly tcpi_sacked: number
  readonly tcpi_lost: number
  readonly tcpi_last_data_recv_ms: number
  readonly tcpi_rtt: number
  readonly tcpi_rttvar: number
  readonly tcpi_min_rtt: number
  readonly tcpi_snd_ssthresh: number
  readonly tcpi_snd_cwnd: number
  /** Bytes. */
  readonly tcpi_rcv_space: number
  readonly tcpi_total_retrans: number
  /** Bytes a second; 0 for none. */
  readonly tcpi_pacing_rate: number
  readonly tcpi_bytes_acked: number
  readonly tcpi_bytes_received: number
  readonly tcpi_bytes_sent: number
  readonly tcpi_notsent_bytes: number
  readonly tcpi_snd_wnd: number
  readonly tcpi_rcv_wnd: number
}

/** Numbers of tcp_states.h by the names of RFC 9293. */
const STATES: Readonly<Record<string, number>> = {
  'ESTABLISHED': 1, 'SYN-SENT': 2, 'SYN-RECEIVED': 3, 'FIN-WAIT-1': 4, 'FIN-WAIT-2': 5, 'TIME-WAIT': 6, 'CLOSED': 7, 'CLOSE-WAIT': 8,
  'LAST-ACK': 9, 'LISTEN': 10, 'CLOSING': 11,
}
const KBIT_BYTES = 125

/** What lib/tas says of the connection, asked of the slow path and waited for. Throws SocketError ENOTCONN. */
export function askInfo(socket: TcpSocket, syscall: string): ConnectionInfo {
  const { connection, answers } = socket
  if (connection !== null && socket.isConnected) {
    answers.info = null
    connection.requestInfo()
    while (answers.info === null && socket.isConnected) socket.stack.wait(Infinity, syscall)
    if (answers.info !== null) return answers.info
  }
  throw new SocketError('ENOTCONN', syscall, 'the socket is not connected')
}

/** TCP_INFO of a connected socket. Throws SocketError ENOTCONN. */
export function tcpInfo(socket: TcpSocket, syscall: string): TcpInfo {
  const info = askInfo(socket, syscall)
  const segments = (bytes: number): number => Math.ceil(bytes / Math.max(1, info.mssBytes))
  return {
    tcpi_state: STATES[info.state] ?? 0,
    tcpi_options: Number(info.timestamps) | Number(info.sack) << 1 | Number(info.windowScaling) << 2 | Number(info.ecn) << 3,
    tcpi_snd_wscale: info.sndWscale, tcpi_rcv_wscale: info.rcvWscale, tcpi_probes: info.keepProbes, tcpi_backoff: info.backoff,
    tcpi_rto: info.rtoUs, tcpi_snd_mss: info.mssBytes,
    tcpi_unacked: segments(info.inFlightBytes), tcpi_sacked: segments(info.sackedBytes), tcpi_lost: segments(info.lostBytes),
    tcpi_last_data_recv_ms: info.heardMs, tcpi_rtt: info.rttUs, tcpi_rttvar: info.rttvarUs, tcpi_min_rtt: info.minRttUs,
    tcpi_snd_ssthresh: segments(info.ssthreshBytes), tcpi_snd_cwnd: segments(info.cwndBytes), tcpi_rcv_space: info.rxBufferBytes,
    tcpi_total_retrans: info.retransmits, tcpi_pacing_rate: info.rateKbps * KBIT_BYTES, tcpi_bytes_acked: info.ackedBytes,
    tcpi_bytes_received: info.receivedBytes, tcpi_bytes_sent: info.sentBytes, tcpi_notsent_bytes: info.unsentBytes,
    tcpi_snd_wnd: info.sndWndBytes, tcpi_rcv_wnd: info.rcvWndBytes,
  }
}
