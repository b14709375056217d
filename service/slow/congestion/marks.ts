/** DCTCP's estimate of congestion: the share of bytes that were marked (RFC 8257, 3.3; SIGCOMM 2010, 3.1, equation 1). */

export class MarkedShare {
  /** DCTCP.Alpha; begins with 1, so that the first marks count as they do for conventional TCP (RFC 8257, 3.3). */
  alpha = 1
  private readonly weight: number

  /** `weight` is g of the paper, --cc-dctcp-weight. */
  constructor(weight: number) {
    this.weight = weight
  }

  /**
   * An observation window has ended in which `ackedBytes` were acknowledged, `markedBytes` of them with an echo: alpha = (1 - g) alpha + g M.
   * `windows` in a row that were not told apart count as so many with the same share.
   */
  observe(ackedBytes: number, markedBytes: number, windows = 1): void {
    if (ackedBytes <= 0) return
    const share = Math.min(markedBytes / ackedBytes, 1)
    const kept = (1 - this.weight) ** windows
    this.alpha = this.alpha * kept + share * (1 - kept)
  }

  /** What of a window or rate is left (RFC 8257, 3.3; equation 2 of the paper): 1 - alpha / 2. */
  get remainder(): number {
    return 1 - this.alpha / 2
  }
}
