/** Windows and rates in general: where they begin, end, and how the one becomes the other. */
import { HEADERS_BYTES, TIMESTAMPS_BYTES } from '../mss.js'
import type { Flow } from './algorithm.js'

/** Nothing was lost yet: slow start goes on. */
export const SSTHRESH_NONE = 0x7fffffff
/** What a segment has beside its payload where a rate counts, if the peer has timestamps. */
const BESIDE_PAYLOAD_BYTES = HEADERS_BYTES + TIMESTAMPS_BYTES
/** A window that serves a rate holds so many round trips of it: the rate is to hold the flow back, not delayed acknowledgments and jitter. */
const RATE_WINDOW_RTTS = 2

/** Initial window of ten segments, 14,600 bytes for large ones (RFC 6928, 2). */
export function initialWindow(mss: number): number {
  return Math.min(10 * mss, Math.max(2 * mss, 14_600))
}

/** Least ssthresh after a loss (RFC 5681, 3.1, equation 4). */
export function leastThreshold(mss: number): number {
  return 2 * mss
}

/** Half of what is in flight (RFC 5681, 3.1, equation 4). */
export function halfOfFlight({ inFlightBytes, mss }: Flow): number {
  return Math.max(Math.floor(inFlightBytes / 2), leastThreshold(mss))
}

/** The rate at which `payloadBytes` in full segments leave in `timeUs`, kbit/s, headers included. */
export function rateOf(payloadBytes: number, timeUs: number, mss: number): number {
  return (payloadBytes * 8000 * (mss + BESIDE_PAYLOAD_BYTES)) / mss / timeUs
}

/**
 * The window beside a rate: a bounded multiple of what the rate puts into a round trip, so that a path that has died, or has become
 * slower than the rate, is not flooded; never below the initial window.
 */
export function windowOf(rateKbps: number, { rttUs, mss }: Flow): number {
  const floor = initialWindow(mss)
  if (rttUs === 0) return floor
  return Math.max(floor, Math.ceil((RATE_WINDOW_RTTS * rateKbps * rttUs) / 8000))
}

/**
 * The window beside a rate while there is a queue: what the rate puts into an average round trip, one segment more since segments are whole.
 * What is in flight beyond the average has nowhere to be but the queue, so a rate that is too high for the path waits for acknowledgments in
 * place of filling it, and a reduction empties it within a round trip. Two segments at least: a peer may delay its acknowledgment of one.
 */
export function tightWindowOf(rateKbps: number, averageRttUs: number, mss: number): number {
  const payloadBytes = (rateKbps * averageRttUs * mss) / (8000 * (mss + BESIDE_PAYLOAD_BYTES))
  return Math.max(Math.ceil(payloadBytes) + mss, 2 * mss)
}

/** What was acknowledged counts for growth: what came while the window was not the limit says nothing, so at most double. */
export function growthCredit({ ackedBytes, cwndBytes }: Flow): number {
  return Math.min(ackedBytes, cwndBytes)
}

/** Slow start (RFC 5681, 3.1) while the window is below ssthresh: returns whether it is. */
export function slowStart(flow: Flow): boolean {
  if (flow.cwndBytes >= flow.ssthreshBytes) return false
  flow.cwndBytes += growthCredit(flow)
  return true
}
