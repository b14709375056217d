/**
 * `HTTPParser.prototype.consume`: a parser that reads a connection in C++. Node's servers tell the handle before, a program that does it itself does
 * not. Behind each part of a body Node runs ticks and promises, if nobody of JavaScript is beneath the parser, as with libuv (on_body of
 * src/node_http_parser.cc). With a handle of JavaScript there is somebody: they are run here.
 */
import { raiseUncaught } from '../../tas/uncaught.js'
import { StreamHandle } from '../handle/stream.js'
import { nativeReads } from '../handle/reads.js'
import { PARSER, runTicks } from '../internals.js'
import { type Method, replaceMethod } from './replace.js'

/** Functions that hear of bodies, each with the one that runs ticks behind it, and the other way round; those of Node's servers are one. */
const ticking = new WeakMap<Method, Method>()
const original = new WeakMap<Method, Method>()

export function hookParser(): void {
  if (PARSER === null) return
  const { prototype, kOnBody } = PARSER
  replaceMethod(prototype, 'consume', (consume) => function consumeHandle(this: unknown, ...args) {
    const [handle] = args
    if (handle instanceof StreamHandle) handle.readByParser()
    exchange(this as object, kOnBody, tickingOf)
    return Reflect.apply(consume, this, args)
  })
  // It may serve a client next, which calls it from within a handler of the program's: no place for ticks.
  replaceMethod(prototype, 'unconsume', (unconsume) => function unconsumeHandle(this: unknown) {
    exchange(this as object, kOnBody, (onBody) => original.get(onBody) ?? onBody)
    return Reflect.apply(unconsume, this, [])
  })
}

function exchange(parser: object, kOnBody: number, other: (onBody: Method) => Method): void {
  const onBody: unknown = Reflect.get(parser, kOnBody)
  if (typeof onBody === 'function') Reflect.set(parser, kOnBody, other(onBody as Method))
}

function tickingOf(onBody: Method): Method {
  if (original.has(onBody)) return onBody
  let replacement = ticking.get(onBody)
  if (replacement === undefined) {
    replacement = makeTicking(onBody)
    ticking.set(onBody, replacement)
    original.set(replacement, onBody)
  }
  return replacement
}

function makeTicking(onBody: Method): Method {
  return function onBodyThenTicks(this: unknown, bytes) {
    onBody.call(this, bytes)
    if (nativeReads.underWay === 0) return
    try {
      runTicks()
    } catch (error) {
      raiseUncaught(error)
    }
  }
}
