import { type Operation, positionOf } from '../store/store.ts';
import type { Outcome, Participant } from '../transactions/unit-of-work.ts';
import type { Queue } from './queue.ts';
import { OUTGOING_PRIORITY } from './sent-priority.ts';
import type { PinnedMessage } from './transfer-door.ts';

/**
 * Messages that leave an outgoing queue for good when their unit commits: removed, or moved into its journal. On any other
 * outcome they stay locked, in the hands of the stream.
 */
export class LeavingMessages implements Participant {
  readonly #queue: Queue;
  readonly #messages: readonly PinnedMessage[];
  readonly #intoJournal: boolean;
  readonly #owner: { nextSequence(): number };
  readonly #gone: (position: number) => void;

  constructor(options: {
    queue: Queue;
    messages: readonly PinnedMessage[];
    intoJournal: boolean;
    owner: { nextSequence(): number };
    gone: (position: number) => void;
  }) {
    this.#queue = options.queue;
    this.#messages = options.messages;
    this.#intoJournal = options.intoJournal && options.queue.journal !== undefined;
    this.#owner = options.owner;
    this.#gone = options.gone;
  }

  contribute(operations: Operation[]): void {
    const place = this.#queue.waiting.id;
    const journal = this.#intoJournal ? this.#queue.journal : undefined;
    for (const { position, byteCount } of this.#messages) {
      if (journal === undefined) {
        operations.push({ kind: 'remove', place, position, byteCount });
      } else {
        const toPosition = positionOf(OUTGOING_PRIORITY, this.#owner.nextSequence());
        operations.push({ kind: 'move', place, position, toPlace: journal.id, toPosition });
      }
    }
  }

  ended(outcome: Outcome): void {
    if (outcome !== 'committed') return;
    for (const { position, byteCount } of this.#messages) {
      this.#gone(position);
      this.#queue.gone(position, byteCount);
      if (this.#intoJournal) this.#queue.journal?.added(byteCount);
    }
  }
}
