import { describe, expect, it } from 'vitest'
import { sharedAddressProblem } from '../../service/hostkernel.js'

/** Settings of `all` and of the interface. */
function problem(all: number, own: number): string | null {
  return sharedAddressProblem('eth0', 'kni0', (path) => (path.includes('/all/') ? all : own))
}

describe('host kernel: shared address', () => {
  it('arp_ignore is 0 -> the kernel would answer with another MAC; says how to prevent it', () => {
    expect(problem(0, 0)).toMatch(/^--kni-name: .* on eth0, .* of kni0; want: sysctl -w net\.ipv4\.conf\.eth0\.arp_ignore=1$/)
  })

  it.each([[0, 1], [2, 0], [0, NaN]])('arp_ignore of all is %i, of the interface %i -> no problem, or none known', (all, own) => {
    expect(problem(all, own)).toBeNull()
  })
})
