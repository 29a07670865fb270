import type { Clock, Timer, Timers } from '../../io/io.ts';
import type { Network } from '../../io/network.ts';
import { ADDRESS_POLL_MS, SUSPEND_GAP_MS } from './limits.ts';

/**
 * Looks every 2 seconds whether the addresses of this machine are still the same and whether it has slept: Node tells
 * neither. It has slept when the wall clock ran more than 5 s further than the monotonic one, which stands still meanwhile on
 * most systems, or when a look comes more than 5 s late. A clock that somebody sets forward looks the same; that costs
 * one attempt to connect.
 */
export class AddressWatch {
  readonly #options: AddressWatchOptions;
  readonly #listeners = new Set<(event: AddressEvent) => void>();
  #addresses: ReadonlySet<string>;
  #timer: Timer | undefined;
  #lookedMs = 0;
  #lookedWallMs = 0;

  constructor(options: AddressWatchOptions) {
    this.#options = options;
    this.#addresses = new Set(options.network.interfaceAddresses());
  }

  /** As of the last look. */
  get addresses(): ReadonlySet<string> {
    return this.#addresses;
  }

  start(): void {
    if (this.#timer === undefined) this.#plan();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#listeners.clear();
  }

  listen(listener: (event: AddressEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #plan(): void {
    const { clock, timers } = this.#options;
    this.#lookedMs = clock.monotonicNowMs();
    this.#lookedWallMs = clock.wallNowMs();
    this.#timer = timers.after(ADDRESS_POLL_MS, () => this.#look());
  }

  #look(): void {
    const { clock, network } = this.#options;
    const passedMs = clock.monotonicNowMs() - this.#lookedMs;
    const passedWallMs = clock.wallNowMs() - this.#lookedWallMs;
    const before = this.#addresses;
    this.#addresses = new Set(network.interfaceAddresses());
    this.#plan();
    const added = [...this.#addresses].filter((address) => !before.has(address));
    const removed = [...before].filter((address) => !this.#addresses.has(address));
    if (added.length + removed.length > 0) this.#tell({ kind: 'addressesChanged', added, removed });
    const gapMs = Math.max(passedMs - ADDRESS_POLL_MS, passedWallMs - passedMs);
    if (gapMs > SUSPEND_GAP_MS) this.#tell({ kind: 'resumed', gapMs });
  }

  #tell(event: AddressEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}

export interface AddressWatchOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly timers: Timers;
}

export type AddressEvent =
  | { readonly kind: 'addressesChanged'; readonly added: readonly string[]; readonly removed: readonly string[] }
  /** The machine slept, or this process stood still, for about `gapMs`. */
  | { readonly kind: 'resumed'; readonly gapMs: number };
