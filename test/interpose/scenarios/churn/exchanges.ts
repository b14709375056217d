/** Exchanges over HTTP of which both ends do what the plans of a seed say. */
import http2 from 'node:http2'
import type { Server } from 'node:net'
import type { Writable } from 'node:stream'
import { closed, listen } from '../runner.js'
import { readBody, type Received, sendBody } from './body.js'
import { exchangeOf, type ExchangePlan, isWhole, lengthOf } from './exchangeplan.js'
import { type Asked, createClient, createServer, type Identity, type Incoming, type Outgoing, type WebName } from './web.js'

/** How many are under way at a time. */
const AT_ONCE = 30
const NOTHING: Received = { bytes: 0, isRight: true, sawEnd: false }

interface Answer {
  readonly status: number
  readonly received: Received
}

export class Exchanges {
  /** What is wrong. */
  readonly problems: string[] = []
  private readonly seed: number
  private readonly name: WebName
  private readonly identity: Identity | null
  /** Exchanges that are not done. */
  private readonly open = new Set<string>()
  private readonly served = new Map<number, Promise<Received>>()

  constructor(seed: number, name: WebName, identity: Identity | null) {
    this.seed = seed
    this.name = name
    this.identity = identity
  }

  async run(count: number): Promise<void> {
    const server = createServer(this.name, this.identity, (incoming, outgoing) => this.serve(incoming, outgoing))
    server.on('tlsClientError', () => undefined).on('sessionError', () => undefined)
    const client = createClient(this.name, this.identity, await listen(server))
    let next = 0
    const askOn = async (): Promise<void> => {
      while (next < count) {
        const id = next++
        await this.exchange(id, (plan) => client.ask(id, plan))
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, askOn))
    client.close()
    await this.end(server)
  }

  /** What is under way, for whoever has waited too long. */
  describeOpen(): string[] {
    return [...this.open].map((what) => `seed ${this.seed}, ${what}: not done`)
  }

  /** With HTTP/2 nobody gives up: not all objects of a stream that is cut off hear of it in Node. */
  private planOf(id: number): ExchangePlan {
    const plan = exchangeOf(this.seed, id)
    return this.name.startsWith('HTTP/2') ? { ...plan, isKeptAlive: true, leavesAfterBytes: null } : plan
  }

  private async end(server: Server): Promise<void> {
    this.open.add('server')
    await Promise.all([...this.served.values()])
    await closed(server)
    this.open.delete('server')
  }

  private serve(incoming: Incoming, outgoing: Outgoing): void {
    const id = Number((incoming.url ?? '').slice(1))
    const plan = this.planOf(id)
    if (this.served.has(id)) this.problem(id, 'was asked twice')
    this.open.add(`${id}, server`)
    const done = this.answer(incoming, outgoing, id, plan).finally(() => this.open.delete(`${id}, server`))
    this.served.set(id, done)
  }

  private async answer(incoming: Incoming, outgoing: Outgoing, id: number, plan: ExchangePlan): Promise<Received> {
    const over = new Promise((resolve) => (outgoing as Writable).once('close', resolve))
    // A request that is cut off behind its answer is not told of it (lib/_http_server.js).
    const beneath = outgoing instanceof http2.Http2ServerResponse ? outgoing.stream : incoming.socket.setMaxListeners(0)
    const gone = new Promise((resolve) => beneath.once('close', resolve))
    const reading = readBody(incoming, 2 * id + 1, 'data', null, () => undefined, gone)
    if (plan.isAnsweredBehind) await reading
    outgoing.on('error', () => undefined)
    if (plan.response.hasLength) outgoing.setHeader('content-length', lengthOf(plan.response))
    await sendBody(outgoing as Writable, 2 * id, plan.response)
    await over
    return reading
  }

  private async exchange(id: number, ask: (plan: ExchangePlan) => Asked): Promise<void> {
    this.open.add(`${id}, client`)
    const plan = this.planOf(id)
    const asked = ask(plan)
    if (plan.leavesAfterBytes !== null && plan.leavesAfterBytes < 1_000) setImmediate(() => asked.destroy())
    const [, answer] = await Promise.all([this.sendRequest(asked, id, plan), this.readAnswer(asked, id, plan)])
    this.judgeAnswer(id, plan, answer)
    if (isWhole(plan)) this.judgeRequest(id, plan, await this.served.get(id) ?? NOTHING)
    this.open.delete(`${id}, client`)
  }

  private async sendRequest(asked: Asked, id: number, plan: ExchangePlan): Promise<void> {
    if (plan.request.chunks.length > 0) await sendBody(asked.body, 2 * id + 1, plan.request)
    else asked.body.end()
  }

  private async readAnswer(asked: Asked, id: number, plan: ExchangePlan): Promise<Answer | null> {
    const answered = await asked.answered
    if (answered === null) return null
    const received = await readBody(answered.source, 2 * id, plan.reading, plan.leavesAfterBytes, () => asked.destroy())
    return { status: answered.status, received }
  }

  private judgeAnswer(id: number, plan: ExchangePlan, answer: Answer | null): void {
    const wanted = lengthOf(plan.response)
    if (answer !== null && (!answer.received.isRight || answer.received.bytes > wanted)) this.problem(id, 'an answer that was not sent')
    if (!isWhole(plan)) return
    const { status, received } = answer ?? { status: 0, received: NOTHING }
    if (status !== 200 || received.bytes !== wanted || !received.sawEnd) {
      this.problem(id, `status ${status}, ${received.bytes} of ${wanted} bytes, end ${received.sawEnd}`)
    }
  }

  private judgeRequest(id: number, plan: ExchangePlan, received: Received): void {
    const wanted = lengthOf(plan.request)
    if (!received.isRight || received.bytes !== wanted || !received.sawEnd) this.problem(id, `request: ${received.bytes} of ${wanted} bytes, end ${received.sawEnd}`)
  }

  private problem(id: number, what: string): void {
    this.problems.push(`seed ${this.seed}, exchange ${id}: ${what}`)
  }
}
