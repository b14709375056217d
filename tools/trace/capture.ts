/** A trace as pcapng: an interface for each process, frames as packets, everything else as comments of the next frame. */
import { TRACE_FRAME_MAX } from '../../lib/memif/index.js'
import { PCAPNG_INBOUND, PCAPNG_OUTBOUND, PcapngWriter } from '../pcapng/writer.js'
import type { TraceRecord } from './records.js'
import { describe, sourceOf } from './text.js'

/** Longest gathered comment; the writer cuts longer ones. */
const COMMENT_MAX = 1000

const NO_BYTES = new Uint8Array(0)

export class TraceCapture {
  private readonly writer: PcapngWriter
  private comments: string[] = []
  private commentLen = 0
  private lastUs = 0

  /** `write` gets bytes in their order; they are valid during the call only. */
  constructor(rings: number, write: (bytes: Uint8Array) => void) {
    this.writer = new PcapngWriter(Array.from({ length: rings }, (_, ring) => sourceOf(ring)), TRACE_FRAME_MAX, write, 'tas trace')
  }

  add(record: TraceRecord): void {
    const { frame, timeUs, ring, kind } = record
    this.lastUs = timeUs
    if (frame === null) return this.comment(`${sourceOf(ring)} ${kind}: ${describe(record)}`)
    this.writer.beginPacket(ring, timeUs, frame.bytes, frame.lenBytes)
    this.writer.endPacket(kind === 'rx' ? PCAPNG_INBOUND : PCAPNG_OUTBOUND, this.takeComments())
  }

  /** Hands out what is gathered so far. */
  flush(): void {
    this.writer.flush()
  }

  /** What came after the last frame goes into an empty one. */
  end(): void {
    if (this.comments.length > 0) this.emptyFrame()
    this.flush()
  }

  /** A comment that has no room beside others stands at an empty frame. */
  private comment(text: string): void {
    if (this.commentLen + text.length + 1 > COMMENT_MAX) this.emptyFrame()
    this.comments.push(text)
    this.commentLen += text.length + 1
  }

  private emptyFrame(): void {
    this.writer.beginPacket(0, this.lastUs, NO_BYTES, 0)
    this.writer.endPacket(PCAPNG_OUTBOUND, this.takeComments())
  }

  private takeComments(): string {
    const text = this.comments.join('\n')
    this.comments = []
    this.commentLen = 0
    return text
  }
}
