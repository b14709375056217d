/** Which ports this thread listens on: TAS lets one application listen on all of its addresses and on one of them, the kernel does not. */
import { isWildcard } from './routing.js'

/** An address and port that somebody listens on. */
export interface Claim {
  readonly address: string
  readonly port: number
  /** SO_REUSEPORT. */
  readonly isShared: boolean
}

export class Claims {
  private readonly claims = new Set<Claim>()

  /** Whether `claim` is against none that there is. */
  isFree(claim: Claim): boolean {
    for (const other of this.claims) {
      const isSame = other.port === claim.port
        && (other.address === claim.address || isWildcard(other.address) || isWildcard(claim.address))
      if (isSame && !(other.isShared && claim.isShared)) return false
    }
    return true
  }

  add(claim: Claim): void {
    this.claims.add(claim)
  }

  delete(claim: Claim): void {
    this.claims.delete(claim)
  }
}
