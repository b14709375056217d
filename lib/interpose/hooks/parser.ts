/** `HTTPParser.prototype.consume`: a parser that reads a connection in C++. Node's servers say so before; a program that does it itself does not. */
import { StreamHandle } from '../handle/stream.js'
import { PARSER_PROTOTYPE } from '../internals.js'
import { replaceMethod } from './replace.js'

/** Tells handles on TAS who reads them. */
export function hookParser(): void {
  if (PARSER_PROTOTYPE === null) return
  replaceMethod(PARSER_PROTOTYPE, 'consume', (consume) => function consumeHandle(this: unknown, ...args) {
    const [handle] = args
    if (handle instanceof StreamHandle) handle.readByParser()
    return Reflect.apply(consume, this, args)
  })
}
