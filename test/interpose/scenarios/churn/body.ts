/** Bodies of HTTP, sent and read as a plan says. */
import type { Readable, Writable } from 'node:stream'
import { setImmediate as immediate, setTimeout as timer } from 'node:timers/promises'
import type { BodyPlan, ExchangePlan } from './exchangeplan.js'
import { isSentAt, sentAt } from './pattern.js'
import { read } from './reading.js'

/** What has come of a body. */
export interface Received {
  bytes: number
  /** Each byte was the one sent there. */
  isRight: boolean
  sawEnd: boolean
}

/** A request whose answer has come before it was sent has no 'drain' any more, over TLS. */
const DRAIN_MS = 100

function drained(target: Writable): Promise<unknown> {
  return new Promise((resolve) => target.once('drain', resolve).once('close', resolve))
}

/** Sends a body as `stream`, as long as `target` takes it. */
export async function sendBody(target: Writable, stream: number, plan: BodyPlan): Promise<void> {
  let sent = 0
  for (const len of plan.chunks) {
    if (target.destroyed) return
    const hasRoom = target.write(sentAt(stream, sent, len))
    sent += len
    if (plan.waiting === 'immediate') await immediate()
    else if (plan.waiting === 'timer') await timer(len % 3)
    else if (plan.waiting === 'promise') await Promise.resolve()
    else if (plan.waiting === 'drain' && !hasRoom) await Promise.race([drained(target), timer(DRAIN_MS)])
  }
  target.end()
}

/** Reads a body until `source` ends or closes, or `over`. `leave` is called when `leavesAfterBytes` have come. */
export async function readBody(
  source: Readable, stream: number, reading: ExchangePlan['reading'], leavesAfterBytes: number | null, leave: () => void,
  over?: Promise<unknown>,
): Promise<Received> {
  const received: Received = { bytes: 0, isRight: true, sawEnd: false }
  const take = (chunk: Buffer): void => {
    if (!isSentAt(stream, received.bytes, chunk)) received.isRight = false
    received.bytes += chunk.length
    if (leavesAfterBytes !== null && received.bytes >= leavesAfterBytes) leave()
  }
  source.on('error', () => undefined)
  if (source.closed) return { ...received, sawEnd: source.readableEnded }
  const gone = new Promise<void>((resolve) => {
    source.once('close', resolve).once('end', () => {
      received.sawEnd = true
      resolve()
    })
  })
  const closed = over === undefined ? gone : Promise.race([over, gone])
  read(source, reading, take)
  await closed
  return received
}
