/** What can be asked about a connection (EV_CONN_INFO), in the manner of Linux's TCP_INFO. */

/** States of RFC 9293, 3.3.2, by the number that travels. */
export const TCP_STATES = [
  'CLOSED', 'SYN-SENT', 'SYN-RECEIVED', 'ESTABLISHED', 'FIN-WAIT-1', 'FIN-WAIT-2', 'CLOSE-WAIT', 'CLOSING', 'LAST-ACK', 'TIME-WAIT',
] as const

/** Bits of the value `flags`. */
export const INFO_TIMESTAMPS = 1 << 0
export const INFO_SACK = 1 << 1
export const INFO_WINDOW_SCALING = 1 << 2
export const INFO_ECN = 1 << 3
export const INFO_NO_DELAY = 1 << 4
export const INFO_KEEP_ALIVE = 1 << 5

/** Words of an EV_CONN_INFO that hold values, from AS_VALUE on. */
export const INFO_PART_WORDS = 6

/**
 * All values in the order in which they travel, INFO_PART_WORDS in a part; each is an unsigned 32-bit word.
 * Byte counts since the connection opened are modulo 2^32.
 */
export const INFO_NAMES = [
  // Part 0
  'state', 'flags', 'rttUs', 'rttvarUs', 'rtoUs', 'minRttUs',
  // Part 1
  'mssBytes', 'cwndBytes', 'ssthreshBytes', 'rateKbps', 'inFlightBytes', 'unsentBytes',
  // Part 2
  'ackedBytes', 'receivedBytes', 'sentBytes', 'retransmits', 'lostBytes', 'sackedBytes',
  // Part 3
  'reorderSeen', 'outOfOrderBytes', 'rcvWndBytes', 'sndWndBytes', 'heardMs', 'softError',
  // Part 4
  'backoff', 'keepProbes', 'rcvWscale', 'sndWscale', 'rxBufferBytes', 'txBufferBytes',
  // Part 5
  'userTimeoutMs', 'tos', 'congestion', 'keepIdleMs', 'rxLimitBytes', 'txLimitBytes',
] as const
export type InfoName = (typeof INFO_NAMES)[number]
/** Values by name. */
export type InfoValues = Record<InfoName, number>

/** EV_CONN_INFO messages of one answer. */
export const INFO_PARTS = INFO_NAMES.length / INFO_PART_WORDS

/** Values by name from words in order. */
export function infoOfWords(words: Int32Array): InfoValues {
  return Object.fromEntries(INFO_NAMES.map((name, index) => [name, words[index] >>> 0])) as InfoValues
}
