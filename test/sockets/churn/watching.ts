/** Steps of a churn run that wait for readiness: epoll sets, and poll and select beside them. */
import {
  close, createEpollEvents, epoll_create1, epoll_ctl, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, epoll_wait, EPOLLERR, EPOLLET, EPOLLEXCLUSIVE,
  EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLRDHUP, MSG_DONTWAIT, MSG_PEEK, poll, POLLNVAL, recv, select, type EpollEvent,
} from '../../../lib/sockets/index.js'
import type { Churn } from './churn.js'
import { peekQuietly } from './bytes.js'
import { demand, type Entry, type File, SetModel, Sock } from './model.js'
import type { Thread } from './world.js'

const ALWAYS = EPOLLERR | EPOLLHUP
const ALL = EPOLLIN | EPOLLOUT | EPOLLRDHUP | ALWAYS
const US_PER_MS = 1000
/** A wait that ends by itself only where nothing comes; whatever comes, comes long before. */
const LONG_MS = 60_001
const NOW = { tv_sec: 0, tv_usec: 0 }

export function createSet(churn: Churn, thread: Thread): SetModel {
  const set = new SetModel(thread, churn.draw.below(2))
  churn.model.opened(churn.attempt('epoll_create1', thread.name, () => epoll_create1(0, thread.stack)).value, set)
  return set
}

// ---- epoll_ctl ----

function drawEvents({ draw }: Churn, file: File): number {
  const wanted = draw.pick([EPOLLIN, EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT, EPOLLIN | EPOLLRDHUP, EPOLLRDHUP, 0])
  const mode = draw.pick([0, 0, EPOLLET, EPOLLET, EPOLLONESHOT, EPOLLONESHOT | EPOLLET])
  if (file instanceof SetModel) return EPOLLIN
  return draw.chance(0.1) && (wanted & EPOLLRDHUP) === 0 ? wanted | EPOLLEXCLUSIVE : wanted | mode
}

/** Puts `file` into `set`. */
export function addStep(churn: Churn, set: SetModel, file: File): void {
  const [epfd, fd] = [churn.fdOf(set), churn.fdOf(file)]
  const events = drawEvents(churn, file)
  const data = churn.nextData++
  const { code } = churn.attempt('EPOLL_CTL_ADD', `${epfd} ${fd} ${events.toString(16)}`, () => { epoll_ctl(epfd, EPOLL_CTL_ADD, fd, { events, data }) })
  const wanted = set.entryOf(fd, file) !== undefined ? 'EEXIST' : file.thread.stack !== set.thread.stack ? 'EINVAL' : ''
  demand(code === wanted, () => `EPOLL_CTL_ADD of ${fd} to ${epfd}: ${code} in place of ${wanted}`)
  if (code !== '') return
  if (file instanceof Sock && (events & EPOLLEXCLUSIVE) !== 0) file.exclusives++
  set.entries.add({ fd, file, data, events, isSpent: false, isFresh: true, lastReady: 0, lastArrived: -1, lastWrites: -1 })
}

/** Changes an entry, or takes it out; also under a number that has another file by now. */
export function changeStep(churn: Churn, set: SetModel): void {
  const { draw, model } = churn
  const epfd = churn.fdOf(set)
  const { fd } = draw.pick([...set.entries])
  const file = model.files.get(fd)
  const entry = file === undefined ? undefined : set.entryOf(fd, file)
  const isDelete = draw.chance(0.4)
  const events = file === undefined ? EPOLLIN : drawEvents(churn, file) & ~EPOLLEXCLUSIVE
  const data = churn.nextData++
  const operation = isDelete ? EPOLL_CTL_DEL : EPOLL_CTL_MOD
  const { code } = churn.attempt(isDelete ? 'EPOLL_CTL_DEL' : 'EPOLL_CTL_MOD', `${epfd} ${fd}`, () => { epoll_ctl(epfd, operation, fd, { events, data }) })
  const isFixed = entry !== undefined && !isDelete && (entry.events & EPOLLEXCLUSIVE) !== 0
  const wanted = file === undefined ? 'EBADF' : file === set ? 'EINVAL' : entry === undefined ? 'ENOENT' : isFixed ? 'EINVAL' : ''
  demand(code === wanted, () => `EPOLL_CTL ${operation} of ${fd} in ${epfd}: ${code} in place of ${wanted}`)
  if (code !== '' || entry === undefined) return
  if (isDelete) set.entries.delete(entry)
  else Object.assign(entry, { events, data, isSpent: false, isFresh: true })
}

// ---- epoll_wait ----

/** Waits, and compares what is told with what poll says of each entry. */
export function waitStep(churn: Churn, set: SetModel, timeoutMs: number): void {
  const { world } = churn
  const epfd = churn.fdOf(set)
  const events = createEpollEvents(2 * set.entries.size + 2)
  const call = (): number => epoll_wait(epfd, events, events.length, timeoutMs)
  const { value, tookUs, code } = churn.attempt('epoll_wait', `${epfd} ${timeoutMs}`, () => timeoutMs === 0 ? call() : world.blocking(set.thread, call))
  demand(code === '', () => `epoll_wait ${epfd}: ${code}`)
  const timeoutUs = timeoutMs * US_PER_MS
  demand(value > 0 || tookUs >= timeoutUs, () => `epoll_wait ${epfd}: nothing after ${tookUs} us of ${timeoutUs}`)
  demand(value === 0 || timeoutMs < LONG_MS || tookUs < timeoutUs, () => `epoll_wait ${epfd} has slept past what it tells`)
  checkTold(churn, set, events.slice(0, value))
}

/** The same for so long that it ends by itself only where nothing comes. */
export function longWaitStep(churn: Churn, set: SetModel): void {
  waitStep(churn, set, LONG_MS)
}

/** Waits with room for few events: no more than these, and none that is not ready. */
export function shortWaitStep(churn: Churn, set: SetModel): void {
  const epfd = churn.fdOf(set)
  const max = 1 + churn.draw.below(2)
  const events = createEpollEvents(max)
  const { value } = churn.attempt('epoll_wait', `${epfd} max ${max}`, () => epoll_wait(epfd, events, max, 0))
  const ready = readinessOf([...set.entries])
  for (const event of events.slice(0, value)) {
    const entry = checkOne(set, event, ready)
    remember(entry, ready.get(entry) ?? 0)
  }
}

function checkTold(churn: Churn, set: SetModel, told: readonly EpollEvent[]): void {
  const entries = [...set.entries]
  const ready = readinessOf(entries)
  const seen = new Set(told.map((event) => checkOne(set, event, ready)))
  const inner = new Set<SetModel>()
  demand(seen.size === told.length, () => 'an entry is told twice by one wait')
  for (const entry of entries) {
    const events = ready.get(entry) ?? 0
    if (!seen.has(entry) && events !== 0) demand(maySkip(entry, events), () => `descriptor ${entry.fd} is ready for ${events} and not told (${text(entry)})`)
    // A second look at a set would find less.
    if (entry.file instanceof SetModel && !inner.has(entry.file)) checkInner(churn, entry.file, events)
    if (entry.file instanceof SetModel) inner.add(entry.file)
    remember(entry, events)
  }
}

/** How it stands with `entry` after a wait, for the next one. */
function remember(entry: Entry, ready: number): void {
  const { file } = entry
  entry.isFresh = false
  entry.lastReady = ready
  entry.lastArrived = arrivedAt(file)
  if (file instanceof Sock) entry.lastWrites = file.writes
}

/** The entry that is told of; it must be ready for just that. */
function checkOne(set: SetModel, { events, data }: EpollEvent, ready: ReadonlyMap<Entry, number>): Entry {
  const entry = [...set.entries].find((known) => known.data === data)
  if (entry === undefined) throw new Error(`an event for ${data}, which is not in the set`)
  const wanted = ready.get(entry) ?? 0
  demand(!entry.isSpent, () => `descriptor ${entry.fd} is told twice, and was added with EPOLLONESHOT`)
  demand(events !== 0 && events === wanted, () => `descriptor ${entry.fd} is told with ${events}, poll says ${wanted} (${text(entry)})`)
  if ((entry.events & EPOLLONESHOT) !== 0) entry.isSpent = true
  return entry
}

function text({ events, isFresh, lastReady, lastArrived, file }: Entry): string {
  return `wants ${events.toString(16)}, fresh ${isFresh}, ready before ${lastReady}, arrived ${lastArrived}, ${file instanceof Sock ? file.phase : 'a set'}`
}

/** Whether an entry that is ready need not be told. */
function maySkip(entry: Entry, ready: number): boolean {
  if (entry.isSpent) return true
  if (entry.file instanceof Sock && entry.file.exclusives > 1) return true
  if (entry.isFresh || (entry.events & EPOLLET) === 0) return false
  const { file, lastReady, lastArrived, lastWrites } = entry
  const hasWritten = file instanceof Sock && file.writes !== lastWrites
  const isNew = (ready & ~lastReady & (hasWritten ? ~EPOLLOUT : ALL)) !== 0
  const hasArrived = (ready & EPOLLIN) !== 0 && lastArrived >= 0 && arrivedAt(file) > lastArrived
  return !isNew && !hasArrived
}

/** What poll says of each entry, as far as it is wanted. */
function readinessOf(entries: readonly Entry[]): Map<Entry, number> {
  const fds = entries.map(({ file, events }) => ({ fd: anyFd(file), events: events & ALL, revents: 0 }))
  if (fds.length > 0) poll(fds, 0)
  return new Map(entries.map((entry, i) => [entry, fds[i].revents]))
}

/** A set within a set is ready if it has something to tell. */
function checkInner(churn: Churn, inner: SetModel, ready: number): void {
  const events = createEpollEvents(inner.entries.size + 1)
  const count = epoll_wait(anyFd(inner), events, events.length, 0)
  demand((count > 0) === (ready !== 0), () => `set ${anyFd(inner)} within another is ready for ${ready} and tells ${count}`)
  checkTold(churn, inner, events.slice(0, count))
}

function anyFd(file: File): number {
  const [fd] = file.fds
  return fd
}

/** Bytes that have arrived at a socket so far; -1 where that is not to be known. */
function arrivedAt(file: File): number {
  if (!(file instanceof Sock) || file.phase !== 'open' || file.side === null || file.side.hasFailed) return -1
  const count = peekQuietly(file, scratch)
  return count < 0 ? -1 : file.side.read + count
}

const scratch = new Uint8Array(1 << 16)

// ---- poll and select ----

/** poll, select and a new level-triggered set must say the same, and calls that do not wait must find it so. */
export function probeStep(churn: Churn, files: readonly File[]): void {
  const [{ thread }] = files
  const fds = [...new Set(files.map((file) => churn.fdOf(file)))]
  const list = fds.map((fd) => ({ fd, events: ALL, revents: 0 }))
  poll(list, 0)
  churn.say(`${churn.world.nowUs} poll ${list.map(({ fd, revents }) => `${fd}:${revents}`).join(' ')}`)
  checkSelect(fds, list)
  const epfd = epoll_create1(0, thread.stack)
  for (const fd of fds) epoll_ctl(epfd, EPOLL_CTL_ADD, fd, { events: ALL, data: fd })
  const events = createEpollEvents(fds.length)
  const told = new Map(events.slice(0, epoll_wait(epfd, events, fds.length, 0)).map(({ data, events: bits }) => [data, bits]))
  close(epfd)
  for (const { fd, revents } of list) demand((told.get(fd) ?? 0) === revents, () => `poll says ${revents} of ${fd}, epoll ${told.get(fd)}`)
  for (const { fd, revents } of list) checkReceive(churn, fd, revents)
}

function checkSelect(fds: readonly number[], list: readonly { readonly fd: number; readonly revents: number }[]): void {
  const [readable, writable, other] = [new Set(fds), new Set(fds), new Set(fds)]
  const count = select(Math.max(...fds) + 1, readable, writable, other, NOW)
  demand(count === readable.size + writable.size + other.size, () => `select says ${count} and keeps others`)
  for (const { fd, revents } of list) {
    const isReadable = (revents & (EPOLLIN | EPOLLHUP | EPOLLERR)) !== 0
    const isWritable = (revents & (EPOLLOUT | EPOLLERR)) !== 0
    demand((revents & POLLNVAL) === 0, () => `poll says that ${fd} is not open`)
    demand(readable.has(fd) === isReadable && writable.has(fd) === isWritable && !other.has(fd), () => `poll says ${revents} of ${fd}, select otherwise`)
  }
}

/** EPOLLIN is what a read that does not wait finds. */
function checkReceive(churn: Churn, fd: number, revents: number): void {
  const file = churn.model.files.get(fd)
  if (!(file instanceof Sock) || file.phase === 'listening') return
  // An error would be told, and is a step's to be told of.
  if ((revents & EPOLLERR) !== 0) return
  const { code } = churn.attempt('recv', `${fd} 1 PEEK`, () => recv(fd, new Uint8Array(1), MSG_PEEK | MSG_DONTWAIT))
  const isIdle = file.phase === 'idle' || (file.phase === 'connecting' && code === 'ENOTCONN')
  demand(isIdle || (code === '') === ((revents & EPOLLIN) !== 0), () => `poll says ${revents} of ${fd}, recv ${code}`)
}
