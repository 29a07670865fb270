import { invariant, isPosthornError } from '../message/posthorn-error.ts';
import { rewrittenState } from '../store/rewritten-state.ts';
import type { Operation, Store } from '../store/store.ts';
import { isOutcomeUnknown } from './outcome-unknown.ts';
import {
  ABORT_ROW_PREFIX,
  type AbortRowRecord,
  TRANSACTION_PREFIX,
  type TransactionRecord,
} from './transaction-record.ts';
import type { DescribedPart, HeldSend, Outcome, Participant } from './unit-of-work.ts';

/**
 * The queue side of a transaction over databases, carried in two units of the store.
 *
 *     marker row:         open ──stage──▶ held ──apply──▶ over (committed)
 *                           │               └───discard──▶ over (rolledBack)
 *     two-phase commit:   open ──decide──▶ held ──release──▶ over (committed)
 *                           │                └──rewrite──▶ held             a heuristic outcome is noted
 *                           ├──refused by the store, abandon()──▶ over (rolledBack)
 *                           └──answer of any unit lost──▶ over (unknown)
 *     after a restart:    (record found) ──────▶ held
 *
 * Order of syncs
 * - stage, decide: the record and the held sends are durable before a database hears of a commit.
 * - apply, discard, release: the record goes in the unit that finishes what it describes, never before.
 *
 * Invariants
 * - Each step is one unit, its record entry included.
 * - Every participant hears one outcome, when its last unit is durable; `unknown` when an answer was lost or the store
 *   has stopped: then nothing is tried again here, and the next open reads what is there.
 * - A unit that the store refused is not there. What `hold` wrote into it is not there either: `rolledBack` follows without
 *   `drop`. Second units are tried again, and contribute anew.
 */
export class SteppedWork {
  readonly #store: Store;
  readonly #makeParticipants: () => readonly Participant[];
  #made: readonly Participant[] | undefined;
  #state: 'open' | 'writing' | 'held' | 'over';
  /** Those that heard their outcome with the decision. */
  #decided: ReadonlySet<Participant> = new Set();

  private constructor(store: Store, makeParticipants: () => readonly Participant[], state: 'open' | 'held') {
    this.#store = store;
    this.#makeParticipants = makeParticipants;
    this.#state = state;
  }

  /** Of a transaction of this process, with the participants of its unit of work. */
  static begin(store: Store, participants: readonly Participant[]): SteppedWork {
    return new SteppedWork(store, () => participants, 'open');
  }

  /** Of a transaction whose record was found at open; its participants are made from it once, when they are needed. */
  static continue(store: Store, makeParticipants: () => readonly Participant[]): SteppedWork {
    return new SteppedWork(store, makeParticipants, 'held');
  }

  get #participants(): readonly Participant[] {
    this.#made ??= this.#makeParticipants();
    return this.#made;
  }

  /** Marker row, first unit: nothing changes its place, everything is written down. */
  async stage(recordOf: RecordOf): Promise<TransactionRecord> {
    const operations: Operation[] = [];
    const sends: HeldSend[] = [];
    const parts: DescribedPart[] = [];
    for (const participant of this.#participants) {
      if (participant.hold !== undefined) sends.push(participant.hold(operations));
      else if (participant.describe !== undefined) parts.push(participant.describe());
    }
    const record = recordOf({ parts, sends });
    await this.#first([...operations, writeRecord(record)]);
    this.#state = 'held';
    return record;
  }

  /** Two-phase commit, first unit: the decision. Everything takes effect but the sends, which are held when told so. */
  async decide(recordOf: RecordOf, holdsSends: boolean): Promise<TransactionRecord> {
    const operations: Operation[] = [];
    const sends: HeldSend[] = [];
    const decided: Participant[] = [];
    for (const participant of this.#participants) {
      if (holdsSends && participant.hold !== undefined) {
        sends.push(participant.hold(operations));
      } else {
        participant.contribute(operations);
        decided.push(participant);
      }
    }
    const record = recordOf({ parts: [], sends });
    await this.#first([...operations, writeRecord(record)]);
    this.#state = 'held';
    for (const participant of decided) participant.ended('committed');
    this.#decided = new Set(decided);
    return record;
  }

  /** Marker row, second unit: it committed. Held sends get their places now. */
  apply(id: string, canWait = false): Promise<void> {
    return this.#second(id, 'committed', [], canWait);
  }

  /** Two-phase commit, second unit: every branch has ended. */
  release(id: string, canWait = false): Promise<void> {
    return this.#second(id, 'committed', [], canWait);
  }

  /** Marker row, second unit: it can never commit. With `abortRow`, because we made sure of that in the database. */
  discard(id: string, abortRow: AbortRowRecord | undefined): Promise<void> {
    const more: Operation[] =
      abortRow === undefined
        ? []
        : [{ kind: 'setState', key: ABORT_ROW_PREFIX + abortRow.id, value: JSON.stringify(abortRow) }];
    return this.#second(id, 'rolledBack', more, false);
  }

  /** Writes the record again with what was learned. */
  rewrite(record: TransactionRecord): Promise<void> {
    invariant(this.#state === 'held', `a record is rewritten while its work is held, this one is ${this.#state}`);
    return this.#store.commit({
      operations: rewrittenState(TRANSACTION_PREFIX + record.id, JSON.stringify(record)),
    });
  }

  /** Nothing was written, and nothing will be. */
  abandon(): void {
    invariant(this.#state === 'open', `only work that was never written is abandoned, this one is ${this.#state}`);
    this.#end('rolledBack');
  }

  async #first(operations: Operation[]): Promise<void> {
    invariant(this.#state === 'open', `the first unit is written once, this work is ${this.#state}`);
    this.#state = 'writing';
    try {
      await this.#store.commit({ operations });
    } catch (error) {
      if (isOutcomeUnknown(error)) this.#end('unknown');
      else this.#state = 'open';
      throw error;
    }
  }

  async #second(
    id: string,
    outcome: 'committed' | 'rolledBack',
    more: readonly Operation[],
    canWait: boolean,
  ): Promise<void> {
    invariant(this.#state === 'held', `the second unit follows the first, this work is ${this.#state}`);
    this.#state = 'writing';
    const operations: Operation[] = [];
    for (const participant of this.#participants) {
      if (this.#decided.has(participant)) continue;
      if (outcome === 'committed') participant.contribute(operations);
      else participant.drop?.(operations);
    }
    operations.push({ kind: 'deleteState', key: TRANSACTION_PREFIX + id }, ...more);
    try {
      await this.#store.commit({ operations, canWait });
    } catch (error) {
      if (isFinal(error)) this.#end('unknown');
      else this.#state = 'held';
      throw error;
    }
    this.#end(outcome);
  }

  #end(outcome: Outcome): void {
    this.#state = 'over';
    for (const participant of this.#participants) {
      if (!this.#decided.has(participant)) participant.ended(outcome);
    }
  }
}

export type RecordOf = (queueSide: Pick<TransactionRecord, 'parts' | 'sends'>) => TransactionRecord;

/** True when this store will never answer better: only the next open can go on. */
export function isFinal(error: unknown): boolean {
  return (
    isOutcomeUnknown(error) ||
    isPosthornError(error, 'STORE_FAILED') ||
    isPosthornError(error, 'STORE_CLOSED') ||
    isPosthornError(error, 'UNIT_CONTRADICTS_STORE') ||
    isPosthornError(error, 'INVARIANT_BROKEN')
  );
}

function writeRecord(record: TransactionRecord): Operation {
  return { kind: 'setState', key: TRANSACTION_PREFIX + record.id, value: JSON.stringify(record) };
}
