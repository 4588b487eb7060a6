/** Counts the requests that were refused: whoever is refused too often is not answered for a while. Right tokens are never held up. */
const windowMs = 10_000;
const refusalsInWindow = 200; // of one address: far more than a person, far less than a search for a token

export class Refusals {
  private readonly now: () => number;
  private readonly counts = new Map<string, { fromMs: number; refusals: number }>();

  constructor(now: () => number = () => performance.now()) {
    this.now = now;
  }

  /** Whether this address has been refused so often that it is only told to wait. */
  isTooMany(address: string): boolean {
    const found = this.counts.get(address);
    return found !== undefined && this.now() - found.fromMs < windowMs && found.refusals >= refusalsInWindow;
  }

  add(address: string): void {
    const now = this.now();
    for (const [other, { fromMs }] of this.counts) if (now - fromMs >= windowMs) this.counts.delete(other);
    const found = this.counts.get(address);
    if (found) found.refusals += 1;
    else this.counts.set(address, { fromMs: now, refusals: 1 });
  }
}
