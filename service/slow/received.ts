/**
 * The frame that is being received, and what it says: one object of each kind for all frames. Nobody keeps them, as the bytes are gone
 * after the poll.
 */
import { Ipv4Fields, type Ipv4Parsed, type SourceRoute, TcpFields, type TcpParsed } from '../../lib/wire/index.js'
import type { Frame, Segment } from './stack.js'

export class ReceivedFrame implements Frame {
  bytes: Uint8Array = new Uint8Array(0)
  rxFlags = 0
  gso = 0
  flow = -1
  gen = 0
}

export class ReceivedSegment implements Segment {
  frame: Frame = new ReceivedFrame()
  tcp: TcpParsed = new TcpFields()
  wayBack: SourceRoute | null = null
  localIp = 0
  localPort = 0
  remoteIp = 0
  remotePort = 0

  begin(frame: Frame, { sourceIp, targetIp }: Ipv4Parsed, tcp: TcpParsed, wayBack: SourceRoute | null): void {
    this.frame = frame
    this.tcp = tcp
    this.wayBack = wayBack
    this.localIp = targetIp
    this.localPort = tcp.targetPort
    this.remoteIp = sourceIp
    this.remotePort = tcp.sourcePort
  }
}

export const receivedIp = new Ipv4Fields()
export const receivedTcp = new TcpFields()
export const receivedSegment = new ReceivedSegment()
