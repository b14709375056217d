/** What programs of a churn run do, by chance. */
import type { Churn } from './churn.js'
import { readStep, writeStep } from './bytes.js'
import { blockingModeStep, closeFd, closeMayBlock, dupStep, lingerStep, shutdownStep } from './closing.js'
import { type File, SetModel, Sock } from './model.js'
import { acceptStep, connectStep, giveStep, listenStep, moveStep, openSocket, takeStep } from './opening.js'
import { addStep, changeStep, createSet, longWaitStep, probeStep, shortWaitStep, waitStep } from './watching.js'
import type { Thread } from './world.js'

const SOCKS_MAX = 60
const SETS_MAX = 10
const PUT_OFF_MAX_US = 3_000_000

type Step = (churn: Churn, thread: Thread, mayBlock: boolean) => void

/** How often each step is taken, among all. */
const STEPS: readonly (readonly [number, Step])[] = [
  [3, (churn, thread, mayBlock) => { if (mayBlock && hasRoom(churn)) listenStep(churn, thread) }],
  [10, connectSome], [12, acceptSome], [16, writeSome], [16, readSome], [4, shutdownSome], [7, closeSome], [3, dupSome], [2, lingerSome],
  [1, blockingModeSome], [2, createSome], [10, addSome], [4, changeSome], [10, waitSome], [5, probeSome], [2, giveSome], [3, takeSome], [1, moveSome],
  [1, observeSome],
]
const WEIGHT = STEPS.reduce((sum, [weight]) => sum + weight, 0)

/** One step of one thread that is not inside a call. */
export function takeStepOf(churn: Churn, mayBlock: boolean): void {
  const { draw, world } = churn
  const thread = draw.pick(world.threads.filter(({ owner }) => owner !== world.blocked))
  let at = draw.below(WEIGHT)
  const [, step] = STEPS.find(([weight]) => (at -= weight) < 0) ?? STEPS[0]
  if (mayBlock && draw.chance(0.4)) putOff(churn)
  step(churn, thread, mayBlock)
}

/** Some steps for later, when perhaps a thread is inside a call. */
function putOff(churn: Churn): void {
  const { draw, world: { net } } = churn
  for (let left = draw.below(4); left > 0; left--) {
    net.schedule(net.nowUs + draw.logInt(10, PUT_OFF_MAX_US), () => { if (!churn.isOver && churn.failure === null) later(churn) })
  }
}

/** Inside another thread's call, which is not to see what goes wrong here. */
function later(churn: Churn): void {
  try {
    takeStepOf(churn, false)
  } catch (error) {
    churn.failure = error
  }
}

function hasRoom({ model }: Churn): boolean {
  return model.socks.size < SOCKS_MAX
}

function some<T>({ draw }: Churn, from: readonly T[], act: (one: T) => void): void {
  if (from.length > 0) act(draw.pick(from))
}

function filesOf({ model }: Churn, { stack }: Thread): File[] {
  return [...model.socks, ...model.sets].filter((file) => file.thread.stack === stack)
}

function setsOf({ model }: Churn, { stack }: Thread): SetModel[] {
  return [...model.sets].filter((set) => set.thread.stack === stack)
}

function connectSome(churn: Churn, thread: Thread, mayBlock: boolean): void {
  const known = churn.socks(({ phase }) => phase === 'connecting' || phase === 'idle')
  if (known.length > 0 && churn.draw.chance(0.3)) connectStep(churn, churn.draw.pick(known), mayBlock)
  else if (hasRoom(churn)) connectStep(churn, openSocket(churn, thread, mayBlock ? undefined : true), mayBlock)
}

function acceptSome(churn: Churn, _thread: Thread, mayBlock: boolean): void {
  some(churn, churn.socks(({ phase }) => phase === 'listening'), (sock) => { if (hasRoom(churn)) acceptStep(churn, sock, mayBlock) })
}

function writeSome(churn: Churn, _thread: Thread, mayBlock: boolean): void {
  some(churn, churn.socks(({ phase }) => phase !== 'listening'), (sock) => writeStep(churn, sock, mayBlock))
}

function readSome(churn: Churn, _thread: Thread, mayBlock: boolean): void {
  some(churn, churn.socks(() => true), (sock) => readStep(churn, sock, mayBlock))
}

function shutdownSome(churn: Churn): void {
  some(churn, churn.socks(() => true), (sock) => shutdownStep(churn, sock))
}

function closeSome(churn: Churn, thread: Thread, mayBlock: boolean): void {
  const all = [...churn.model.files].filter(([, file]) => file.thread.owner === thread.owner && (mayBlock || !closeMayBlock(file)))
  some(churn, all, ([fd, file]) => { if (file instanceof Sock || churn.draw.chance(0.3)) closeFd(churn, fd) })
}

function dupSome(churn: Churn, thread: Thread): void {
  some(churn, filesOf(churn, thread), (file) => dupStep(churn, file))
}

function lingerSome(churn: Churn): void {
  some(churn, churn.socks(({ phase }) => phase === 'open'), (sock) => lingerStep(churn, sock))
}

function blockingModeSome(churn: Churn): void {
  some(churn, churn.socks(() => true), (sock) => blockingModeStep(churn, sock))
}

function createSome(churn: Churn, thread: Thread): void {
  if (churn.model.sets.size < SETS_MAX) createSet(churn, thread)
}

function addSome(churn: Churn): void {
  const { draw, model, world } = churn
  some(churn, [...model.sets].filter(({ thread }) => thread.owner !== world.blocked), (set) => {
    const isInner = (file: File): boolean => !(file instanceof SetModel) || file.level < set.level
    const files = filesOf(churn, set.thread).filter((file) => file !== set && isInner(file))
    if (files.length > 0) addStep(churn, set, draw.pick(files))
  })
}

function changeSome(churn: Churn, thread: Thread): void {
  some(churn, setsOf(churn, thread).filter(({ entries }) => entries.size > 0), (set) => changeStep(churn, set))
}

function waitSome(churn: Churn, _thread: Thread, mayBlock: boolean): void {
  const { draw, model, world } = churn
  some(churn, [...model.sets].filter(({ thread }) => thread.owner !== world.blocked), (set) => {
    if (draw.chance(0.1)) return shortWaitStep(churn, set)
    if (mayBlock && draw.chance(0.2)) return longWaitStep(churn, set)
    waitStep(churn, set, mayBlock && draw.chance(0.5) ? draw.logInt(1, 100) : 0)
  })
}

function probeSome(churn: Churn, thread: Thread): void {
  const files = filesOf(churn, thread).filter((file) => file instanceof Sock)
  if (files.length > 0) probeStep(churn, Array.from({ length: 1 + churn.draw.below(4) }, () => churn.draw.pick(files)))
}

function giveSome(churn: Churn): void {
  some(churn, churn.socks(({ phase, thread }) => thread.shared >= 0 && (phase === 'open' || phase === 'listening')), (sock) => {
    const handed = giveStep(churn, sock)
    if (handed !== null) churn.handed.push(handed)
  })
}

function takeSome(churn: Churn, _thread: Thread, mayBlock: boolean): void {
  const { draw, handed } = churn
  if (!mayBlock || handed.length === 0) return
  takeHanded(churn, handed.splice(draw.below(handed.length), 1)[0])
}

/** Takes it in the other thread of its application, or in the same. */
export function takeHanded(churn: Churn, one: Parameters<typeof takeStep>[1]): void {
  const { draw, world } = churn
  takeStep(churn, one, draw.pick(world.threads.filter(({ shared }) => shared === one.sock.thread.shared)))
}

function moveSome(churn: Churn, _thread: Thread, mayBlock: boolean): void {
  if (mayBlock) some(churn, churn.socks(({ phase }) => phase === 'open'), (sock) => moveStep(churn, sock))
}

function observeSome(churn: Churn): void {
  some(churn, churn.socks(({ phase }) => phase === 'connecting'), (sock) => churn.observe(sock))
}
