import { describe, expect, it } from 'vitest'
import * as memif from '../../lib/memif/index.js'
import { TCB_BYTES, TCB_FIELDS, TCB_FLAG_NAMES, TCB_STATE_NAMES, TCB_WORDS, tcbFieldValue } from '../../lib/memif/index.js'

describe('TCB fields', () => {
  it('every byte of the TCB -> in exactly one field, in order', () => {
    const bytes = TCB_FIELDS.flatMap(({ index, bits }) => Array.from({ length: bits / 8 }, (_, byte) => index * (bits / 8) + byte))
    expect(bytes).toEqual(Array.from({ length: TCB_BYTES }, (_, byte) => byte))
  })

  it('every TCB_* constant -> a field at its place', () => {
    const sizes = new Set(['TCB_BYTES', 'TCB_WORDS', 'TCB_FIELDS', 'TCB_FLAG_NAMES', 'TCB_STATE_NAMES'])
    const places = Object.entries(memif).flatMap(([name, index]) => {
      if (!name.startsWith('TCB_') || sizes.has(name)) return []
      return [`${Number(/_U(8|16)$/.exec(name)?.[1] ?? 32)} bits at ${String(index)}`]
    })
    expect(places.sort()).toEqual(TCB_FIELDS.map(({ bits, index }) => `${bits} bits at ${index}`).sort())
  })

  it('names of flags and states -> those of the constants', () => {
    const constants: Readonly<Record<string, unknown>> = memif
    TCB_FLAG_NAMES.forEach((name, bit) => expect(constants[`FLAG_${name}`], name).toBe(1 << bit))
    TCB_STATE_NAMES.forEach((name, state) => expect(constants[`FLOW_${name}`], name).toBe(state))
  })

  it('values -> each field its own bits, unsigned', () => {
    const bytes = Uint8Array.from({ length: TCB_BYTES }, (_, i) => 255 - i)
    const words = new Int32Array(bytes.buffer)
    expect(words).toHaveLength(TCB_WORDS)
    const values = Object.fromEntries(TCB_FIELDS.map((field) => [field.name, tcbFieldValue(words, field)]))
    expect(values).toMatchObject({ remoteIp: 0xfcfdfeff, gen: 0xf6f7, localIp: 0xf5, state: 0xf4, rxLog2: 0xbf, rcvWscale: 0xbc, app: 0xbabb, context: 0xb8b9 })
  })
})
