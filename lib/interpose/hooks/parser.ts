/**
 * `HTTPParser.prototype.consume`: a parser that reads a connection in C++. Node's servers tell the handle before, a program that does it itself does
 * not. Behind each part of a body Node runs ticks and promises, if nobody of JavaScript is beneath the parser, as with libuv (on_body of
 * src/node_http_parser.cc). With a handle of JavaScript there is somebody: they are run here.
 */
import { raiseUncaught } from '../../tas/uncaught.js'
import { StreamHandle } from '../handle/stream.js'
import { nativeReads } from '../handle/reads.js'
import { PARSER, type ParserInside, runTicks } from '../internals.js'
import { type Method, replaceMethod } from './replace.js'

/** Functions that hear of bodies, each with the one that runs ticks behind it; those of Node's servers are one. */
const withTicks = new WeakMap<Method, Method>()

export function hookParser(): void {
  if (PARSER === null) return
  const parser = PARSER
  replaceMethod(parser.prototype, 'consume', (consume) => function consumeHandle(this: unknown, ...args) {
    const [handle] = args
    if (handle instanceof StreamHandle) handle.readByParser()
    tickBehindBody(this as object, parser)
    return Reflect.apply(consume, this, args)
  })
}

/** The parser may serve other connections later: there, and where it is called from JavaScript, its function does what it always did. */
function tickBehindBody(parser: object, { kOnBody }: ParserInside): void {
  const onBody: unknown = Reflect.get(parser, kOnBody)
  if (typeof onBody !== 'function') return
  let replacement = withTicks.get(onBody as Method)
  if (replacement === undefined) {
    replacement = makeTicking(onBody as Method)
    withTicks.set(onBody as Method, replacement)
    withTicks.set(replacement, replacement)
  }
  if (replacement !== onBody) Reflect.set(parser, kOnBody, replacement)
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
