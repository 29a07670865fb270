import { networkOf } from './ip-address.ts';

/**
 * Connections that were taken and have not proved themselves yet, in the order they came; bounded.
 *
 * When there are too many, the oldest goes: of the same network when that has more than its share, else of all. So silent
 * ones cost little however many there are, and somebody who is ready, being done in milliseconds, always finds room.
 */
export class PendingHandshakes {
  readonly #limits: HandshakeLimits;
  readonly #all = new Set<Pending>();
  readonly #byNetwork = new Map<string, Set<Pending>>();

  constructor(limits: HandshakeLimits = HANDSHAKE_LIMITS) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#all.size;
  }

  /** Enters a connection; `cut` ends it when its place is needed. Returns what takes it out again. */
  enter(remoteAddress: string, cut: () => void): () => void {
    const network = networkOf(remoteAddress);
    const ofNetwork = this.#byNetwork.get(network) ?? new Set();
    this.#byNetwork.set(network, ofNetwork);
    const pending: Pending = { network, cut };
    this.#all.add(pending);
    ofNetwork.add(pending);
    if (ofNetwork.size > this.#limits.perNetworkMax) this.#cutFirst(ofNetwork);
    else if (this.#all.size > this.#limits.max) this.#cutFirst(this.#all);
    return () => this.#leave(pending);
  }

  /** Cuts all of them. */
  clear(): void {
    while (this.#all.size > 0) this.#cutFirst(this.#all);
  }

  #cutFirst(pendings: ReadonlySet<Pending>): void {
    const [oldest] = pendings;
    if (oldest === undefined) return;
    this.#leave(oldest);
    oldest.cut();
  }

  #leave(pending: Pending): void {
    this.#all.delete(pending);
    const ofNetwork = this.#byNetwork.get(pending.network);
    ofNetwork?.delete(pending);
    if (ofNetwork?.size === 0) this.#byNetwork.delete(pending.network);
  }
}

export interface HandshakeLimits {
  readonly max: number;
  /** From one /24 (IPv6: /64). */
  readonly perNetworkMax: number;
}

const HANDSHAKE_LIMITS: HandshakeLimits = { max: 1024, perNetworkMax: 64 };

interface Pending {
  readonly network: string;
  readonly cut: () => void;
}
