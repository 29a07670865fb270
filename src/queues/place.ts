import type { PlaceKind, PlaceState } from '../store/store.ts';

/**
 * One place of the store in memory: its live counts and the positions that are locked. No messages.
 *
 * Counts follow commits: what is on its way is in `pendingMessages` and `pendingBytes` (for quotas), never in both.
 */
export class Place {
  readonly id: number;
  readonly kind: PlaceKind;
  readonly queue: string;
  /** Positions that a delivery, an operator's page or the deadline keeper holds. */
  readonly locked = new Set<number>();
  messages: number;
  bytes: number;
  pendingMessages = 0;
  pendingBytes = 0;
  /** While reads are out: positions that went away meanwhile, which a result may still show. */
  readonly #removedDuringReads = new Set<number>();
  #readsOut = 0;

  constructor(state: PlaceState) {
    this.id = state.place;
    this.kind = state.kind;
    this.queue = state.queue;
    this.messages = state.messageCount;
    this.bytes = state.byteCount;
  }

  /** Every read of this place runs in here, so that `isFree` is right about its result. */
  async reading<Result>(read: () => Promise<Result>, use: (result: Result) => void): Promise<void> {
    this.#readsOut++;
    try {
      use(await read());
    } finally {
      this.#readsOut--;
      if (this.#readsOut === 0) this.#removedDuringReads.clear();
    }
  }

  /** True when a message that a read has just shown is really there and nobody holds it. */
  isFree(position: number): boolean {
    return !this.locked.has(position) && !this.#removedDuringReads.has(position);
  }

  wasRemovedDuringReads(position: number): boolean {
    return this.#removedDuringReads.has(position);
  }

  added(bytes: number): void {
    this.messages++;
    this.bytes += bytes;
  }

  removed(position: number, bytes: number): void {
    this.messages--;
    this.bytes -= bytes;
    if (this.#readsOut > 0) this.#removedDuringReads.add(position);
  }
}
