import type { Clock } from '../../io/io.ts';
import type { OutgoingLedger } from './outgoing-ledger.ts';
import type { HoldRow } from './stream-rows.ts';

/** What operators ask of a stream: to hold and to release it. Each is made durable when its turn among the units has come. */
export class HoldChanges {
  readonly #ledger: OutgoingLedger;
  readonly #clock: Clock;
  readonly #asked: () => void;
  readonly #waiting: HoldChange[] = [];

  /** @param asked - told when there is something to do */
  constructor(ledger: OutgoingLedger, clock: Clock, asked: () => void) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#asked = asked;
  }

  get isAsked(): boolean {
    return this.#waiting.length > 0;
  }

  hold(by: string): Promise<void> {
    // That hold asks for a decision; an operator's would hide it.
    if (this.#ledger.hold?.reason === 'RESYNC_NEEDED') return Promise.resolve();
    return this.#change({ reason: 'OPERATOR', by, sinceMs: this.#clock.wallNowMs() });
  }

  release(): Promise<void> {
    return this.#change(undefined);
  }

  /** Begins the unit of the first that waits. */
  begin(): BegunChange {
    const change = this.#waiting.shift();
    const beginsEpoch = change?.hold === undefined && this.#ledger.hold?.reason === 'RESYNC_NEEDED';
    const unit = this.#ledger.setHold(change?.hold);
    if (change !== undefined) unit.then(change.resolve, change.reject);
    return { unit, beginsEpoch, isHold: change?.hold !== undefined };
  }

  /** Nothing can be written now. */
  fail(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #change(hold: HoldRow | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ hold, resolve, reject });
      this.#asked();
    });
  }
}

interface HoldChange {
  readonly hold: HoldRow | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface BegunChange {
  readonly unit: Promise<void>;
  /** An operator has decided what to do about the receiver's other store. */
  readonly beginsEpoch: boolean;
  readonly isHold: boolean;
}
