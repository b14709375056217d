import { describe, expect, it } from 'vitest'
import { MARKING_PORT, openFlows, tableRows } from '../../experiments/runs/bulk.js'
import { makeStar, type Star, starIp } from '../../experiments/topology/star.js'

function pair(delayUs: number): Star {
  return makeStar({ seed: 1, hosts: 2, port: { ...MARKING_PORT, delayUs }, host: () => ({ flows: tableRows(600), bufBytes: 1 << 11, cc: {} }) })
}

describe('flows that are opened before anything is measured', () => {
  it('as many as one host opens -> all are open, nothing is sent any more and no timer is set', () => {
    const { fabric, nodes: [, sender] } = pair(25)
    const flows = openFlows(fabric, 600, () => sender.program.open(starIp(0), Infinity))
    expect(flows.every(({ connection }) => connection !== null)).toBe(true)
    const before = fabric.framesSent
    fabric.pass(1_000_000)
    expect([fabric.framesSent - before, sender.host.hasTimers]).toEqual([0, false])
  })

  it('handshakes take too long -> an error, since they would be in what is measured', () => {
    const { fabric, nodes: [, sender] } = pair(1_000)
    expect(() => openFlows(fabric, 3, () => sender.program.open(starIp(0), Infinity))).toThrow('3 of 3 connections are not open')
  })
})
