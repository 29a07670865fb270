import { isFinal, type SteppedWork } from './stepped-work.ts';
import type { AbortRowRecord, BranchRecord, HeuristicRecord, TransactionRecord } from './transaction-record.ts';
import type { StateOfTransaction } from './transaction-state.ts';

/**
 * A transaction that is written down and not settled: staged or decided. The process that began it and recovery settle it
 * by the same calls; `owner` says which of them does (G-X6: recovery leaves alone what still runs).
 *
 * Second units that the store refuses stay due and are tried again. When the store answers no more, the state is `unknown`
 * and nothing is tried until the next open.
 */
export class PendingTransaction {
  readonly state: StateOfTransaction;
  readonly branches: readonly PendingBranch[];
  owner: 'commit' | 'recovery';
  readonly #work: SteppedWork;
  readonly #settled: (outcome: 'committed' | 'rolledBack') => void;
  readonly #over: PendingOptions['over'];
  #record: TransactionRecord;
  #due: SecondUnit | undefined;
  #isWriting = false;

  constructor(options: PendingOptions) {
    this.state = options.state;
    this.owner = options.owner;
    this.#record = options.record;
    this.#work = options.work;
    this.#settled = options.settled;
    this.#over = options.over;
    this.branches = options.record.branches.map((branch) => new PendingBranch(branch));
  }

  get id(): string {
    return this.#record.id;
  }

  get record(): TransactionRecord {
    return this.#record;
  }

  /** A unit that is decided upon and not durable yet. */
  get due(): SecondUnit | undefined {
    return this.#due;
  }

  /** Every branch is proven committed, or its heuristic outcome was accepted. */
  get hasEndedEverywhere(): boolean {
    return this.branches.every(({ proof }) => proof !== undefined);
  }

  uses(resource: string): boolean {
    return this.branches.some((branch) => branch.resource === resource);
  }

  /** Marker row: it committed. With `canWait` the unit may share the sync of another one. */
  apply({ canWait = false } = {}): Promise<void> {
    this.state.move('applying');
    this.#due = { kind: 'apply' };
    return this.writeDue({ canWait });
  }

  /** Marker row: it can never commit. */
  discard(abortRow: AbortRowRecord | undefined): Promise<void> {
    this.state.move('discarding');
    this.#due = { kind: 'discard', abortRow };
    return this.writeDue();
  }

  /** Two-phase commit: every branch has ended. The outcome is known since the decision. */
  release({ canWait = false } = {}): Promise<void> {
    this.state.move('releasing');
    this.#due = { kind: 'release' };
    return this.writeDue({ canWait });
  }

  /** Writes the unit that is due. @throws what the store answers; the unit stays due unless nothing better can come */
  async writeDue({ canWait = false } = {}): Promise<void> {
    const due = this.#due;
    if (due === undefined || this.#isWriting) return;
    this.#isWriting = true;
    try {
      if (due.kind === 'discard') await this.#work.discard(this.id, due.abortRow);
      else await this.#work[due.kind](this.id, canWait);
    } catch (error) {
      if (isFinal(error)) {
        this.#due = undefined;
        this.state.move('unknown');
      }
      throw error;
    } finally {
      this.#isWriting = false;
    }
    this.#due = undefined;
    const outcome = due.kind === 'discard' ? 'rolledBack' : 'committed';
    this.state.move(outcome);
    this.#over(this, due);
    this.#settled(outcome);
  }

  /** Durable before anybody is told; the branch is not tried any more. */
  async noteHeuristic(branch: PendingBranch, heuristic: HeuristicRecord): Promise<void> {
    branch.heuristic = heuristic;
    if (this.state.current === 'decided') this.state.move('heuristic');
    await this.rewrite();
  }

  async rewrite(): Promise<void> {
    this.#record = { ...this.#record, branches: this.branches.map((branch) => branch.toRecord()) };
    await this.#work.rewrite(this.#record);
  }
}

export type SecondUnit =
  | { readonly kind: 'apply' }
  | { readonly kind: 'release' }
  | { readonly kind: 'discard'; readonly abortRow: AbortRowRecord | undefined };

/** One database's part of it, with what was answered so far. */
export class PendingBranch {
  readonly resource: string;
  readonly qualifier: string;
  readonly session: string;
  readonly transactionNumber: string | undefined;
  proof: string | undefined;
  heuristic: HeuristicRecord | undefined;
  lastAnswer: string | undefined;
  attempts = 0;

  constructor(record: BranchRecord) {
    this.resource = record.resource;
    this.qualifier = record.qualifier;
    this.session = record.session;
    this.transactionNumber = record.transactionNumber;
    this.proof = record.proof;
    this.heuristic = record.heuristic;
  }

  get isOpen(): boolean {
    return this.proof === undefined && this.heuristic === undefined;
  }

  toRecord(): BranchRecord {
    const { resource, qualifier, session, transactionNumber, proof, heuristic } = this;
    return {
      resource,
      qualifier,
      session,
      ...(transactionNumber !== undefined && { transactionNumber }),
      ...(proof !== undefined && { proof }),
      ...(heuristic !== undefined && { heuristic }),
    };
  }
}

export interface PendingOptions {
  readonly record: TransactionRecord;
  readonly work: SteppedWork;
  readonly state: StateOfTransaction;
  readonly owner: 'commit' | 'recovery';
  /** Told the outcome once it is durable; also when it was known before. */
  settled(outcome: 'committed' | 'rolledBack'): void;
  /** Nothing is left of it. */
  over(pending: PendingTransaction, last: SecondUnit): void;
}
