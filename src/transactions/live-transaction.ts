import { failpoint } from '../io/failpoint.ts';
import { Branches } from './branches.ts';
import { commitByMarker } from './commit-by-marker.ts';
import { commitInTwoPhases } from './commit-in-two-phases.ts';
import type { CoordinatorCore } from './coordinator-core.ts';
import type { DistributedTransaction, TransactionRequest } from './distributed-transaction.ts';
import { TransactionEnded } from './errors.ts';
import { isOutcomeUnknown } from './outcome-unknown.ts';
import type { Branch, ResourceManager } from './resource-manager.ts';
import type { TransactionAtHand } from './transaction-at-hand.ts';
import type { BranchRecord, Protocol, TransactionRecord } from './transaction-record.ts';
import { StateOfTransaction } from './transaction-state.ts';
import type { Outcome, UnitOfWork } from './unit-of-work.ts';

/**
 * A transaction of this process, from `begin` to the end of `commit` or `rollback`; its states are drawn in
 * transaction-state.ts.
 *
 * `commit` ends every branch first. Those that wrote nothing commit plainly, before any decision, because their server may
 * still refuse (a serializable reader). Then the number of those that wrote chooses the protocol: none, one local unit; one,
 * the marker row; several, two-phase commit.
 */
export class LiveTransaction implements DistributedTransaction, TransactionAtHand {
  readonly id: string;
  readonly work: UnitOfWork;
  readonly state = new StateOfTransaction('active');
  readonly branches: Branches;
  readonly request: TransactionRequest;
  readonly startedMs: number;
  readonly whenSettled: Promise<Exclude<Outcome, 'unknown'>>;
  readonly settled: (outcome: Exclude<Outcome, 'unknown'>) => void;
  /** Chosen when it commits. */
  protocol: Protocol | undefined;
  #outcome: Outcome | undefined;
  readonly #core: CoordinatorCore;
  #rollingBack: Promise<void> | undefined;

  constructor(core: CoordinatorCore, id: string, request: TransactionRequest) {
    this.#core = core;
    this.id = id;
    this.request = request;
    this.work = core.side.begin();
    this.startedMs = core.io.clock.wallNowMs();
    this.branches = new Branches(core, this);
    const { promise, resolve } = Promise.withResolvers<Exclude<Outcome, 'unknown'>>();
    this.whenSettled = promise;
    this.settled = (outcome) => {
      this.#outcome = outcome;
      resolve(outcome);
    };
    core.live.add(this);
  }

  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  enlist(resource: ResourceManager): Promise<unknown> {
    if (this.state.current !== 'active') return Promise.reject(new TransactionEnded(this.state.current));
    return this.branches.enlist(resource);
  }

  async commit(): Promise<void> {
    if (this.state.current !== 'active') throw new TransactionEnded(this.state.current);
    this.state.move('ending');
    try {
      if (this.branches.isEmpty) await this.#commitLocally();
      else await this.#commitEverywhere();
    } catch (error) {
      if (isOutcomeUnknown(error)) this.#outcome ??= 'unknown';
      throw error;
    } finally {
      // Of one whose unit has no answer nobody may conclude anything: recovery leaves its branches to the next open.
      if (!this.state.isUnknown) this.#core.live.remove(this);
    }
  }

  /** After the commit has begun there is nothing to undo any more by hand. */
  rollback(): Promise<void> {
    if (this.state.current === 'active') this.#rollingBack = this.abort();
    return this.#rollingBack ?? Promise.resolve();
  }

  /** Ends every branch that was not prepared; those that were are the caller's. */
  async abort(): Promise<void> {
    this.state.move('aborting');
    this.work.rollback();
    await this.branches.rollback();
    this.state.move('rolledBack');
    this.#core.live.remove(this);
    this.settled('rolledBack');
  }

  describe(writers: readonly Branch[], protocol: Protocol): Omit<TransactionRecord, 'parts' | 'sends'> {
    const { messageId, messageType } = this.request.about();
    return {
      id: this.id,
      protocol,
      state: protocol === 'marker' ? 'staged' : 'decided',
      endpoint: this.request.endpoint,
      ...(messageId !== undefined && { messageId }),
      ...(messageType !== undefined && { messageType }),
      startedMs: this.startedMs,
      writtenMs: this.#core.io.clock.wallNowMs(),
      branches: writers.map((branch) => describeBranch(branch, protocol)),
    };
  }

  async #commitEverywhere(): Promise<void> {
    failpoint('transaction.before-end');
    let writers: readonly Branch[];
    try {
      writers = await this.branches.end();
    } catch (error) {
      await this.abort();
      throw error;
    }
    if (writers.length === 0) {
      await this.#commitLocally();
      return;
    }
    const [only] = writers;
    const { protocol } = this.request;
    if (only !== undefined && writers.length === 1 && protocol !== 'twoPhase') {
      this.protocol = 'marker';
      await commitByMarker(this.#core, this, only);
    } else {
      this.protocol = 'twoPhase';
      await commitInTwoPhases(this.#core, this, writers);
    }
  }

  async #commitLocally(): Promise<void> {
    this.state.move('committing');
    try {
      await this.work.commit();
    } catch (error) {
      if (isOutcomeUnknown(error)) {
        this.state.move('unknown');
      } else {
        this.state.move('aborting');
        this.state.move('rolledBack');
        this.settled('rolledBack');
      }
      throw error;
    }
    this.state.move('committed');
    this.settled('committed');
  }
}

function describeBranch(branch: Branch, protocol: Protocol): BranchRecord {
  const { session, transactionNumber } =
    protocol === 'twoPhase' ? branch.evidence() : { session: branch.session, transactionNumber: undefined };
  return {
    resource: branch.resource.name,
    qualifier: branch.id.qualifier,
    session,
    ...(transactionNumber !== undefined && { transactionNumber }),
  };
}
