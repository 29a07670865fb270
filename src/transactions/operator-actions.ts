import type { CoordinatorCore } from './coordinator-core.ts';
import { ReasonMissing, TransactionActionRefused, TransactionNotFound } from './errors.ts';
import type { PendingTransaction } from './pending-transaction.ts';
import { finishByRecovery } from './recover-resource.ts';
import type { Recovery } from './recovery.ts';
import type { Direction } from './resource-manager.ts';
import { settleStaged } from './settle-staged.ts';
import { formatBranchId } from './transaction-id.ts';
import type { OperatorWish, TransactionView } from './transaction-view.ts';
import type { ClassifiedBranch, UsedResource } from './used-resource.ts';
import type { Views } from './view.ts';

/**
 * What an operator may do to a transaction that is not settled. Each is noted with who, why, before and after.
 *
 * | action            | allowed for                                                                                     |
 * |-------------------|-------------------------------------------------------------------------------------------------|
 * | `commit`, `abort` | fenced branches: prepared by a life that this store cannot vouch for; `abort` also for branches |
 * |                   | that were never decided; both for a staged transaction whose database is fenced                 |
 * | `forget`          | a heuristic outcome, a decision whose branches are all proven, a fenced resource by its name    |
 * | `retry`           | everything that is not settled: asks its databases now                                          |
 *
 * Nothing else: what is decided is decided, and what can be proven is not overruled.
 */
export class OperatorActions {
  readonly #core: CoordinatorCore;
  readonly #recovery: Recovery;
  readonly #views: Views;
  readonly #accept: (resource: UsedResource) => Promise<void>;
  /** One at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: OperatorActionsOptions) {
    this.#core = options.core;
    this.#recovery = options.recovery;
    this.#views = options.views;
    this.#accept = options.accept;
  }

  act(wish: OperatorWish): Promise<TransactionView | undefined> {
    const done = this.#last.then(() => this.#act(wish));
    this.#last = done.catch(() => {
      // Whoever asked hears of it; the next one only waits for its end.
    });
    return done;
  }

  async #act(wish: OperatorWish): Promise<TransactionView | undefined> {
    if (wish.reason.trim() === '') throw new ReasonMissing(wish.action);
    const { records } = this.#core;
    if (wish.action === 'forget' && (records.fences.has(wish.id) || this.#core.resources.has(wish.id))) {
      await this.#acceptStore(wish);
      return undefined;
    }
    const view = this.#views.find(wish.id);
    if (view === undefined) throw new TransactionNotFound(wish.id, []);
    if (view.state === 'foreign' && wish.action !== 'retry') {
      throw refused(wish, 'it is not of this queue manager', 'Whoever prepared it ends it; show has the SQL.');
    }
    await this.#perform(wish, view);
    const after = this.#views.find(view.id);
    await this.#note(wish, view.id, { before: view.state, after: after?.state ?? 'settled' });
    return this.#views.find(view.id);
  }

  async #perform(wish: OperatorWish, view: TransactionView): Promise<void> {
    const pending = this.#core.pendingOf(view.id);
    switch (wish.action) {
      case 'retry':
        return this.#retry(wish, view);
      case 'forget':
        return this.#forget(wish, pending);
      case 'commit':
      case 'abort':
        return pending === undefined ? this.#finishFound(wish, view) : this.#endStaged(wish, pending);
      default:
        wish.action satisfies never;
    }
  }

  async #retry(wish: OperatorWish, view: TransactionView): Promise<void> {
    const resources = new Set(view.branches.map(({ resource }) => resource));
    const known = [...resources].flatMap((name) => this.#core.resources.get(name) ?? []);
    if (known.length === 0 && resources.size > 0) {
      throw refused(
        wish,
        `no endpoint that lists ${[...resources].join(', ')} is running here`,
        'Start one: it is settled by itself then.',
      );
    }
    await Promise.all(known.map((resource) => this.#recovery.roundNow(resource)));
    await this.#recovery.writeUnitsNow();
  }

  async #forget(wish: OperatorWish, pending: PendingTransaction | undefined): Promise<void> {
    const isHeuristic = pending?.branches.some(({ heuristic }) => heuristic !== undefined) === true;
    if (pending === undefined || pending.record.state !== 'decided' || !(isHeuristic || pending.hasEndedEverywhere)) {
      throw refused(
        wish,
        'only a heuristic outcome, or a decision whose branches are all proven, may be forgotten',
        `Use 'retry' to ask its databases now.`,
      );
    }
    const open = pending.branches.find(({ isOpen }) => isOpen);
    if (open !== undefined) {
      throw refused(
        wish,
        `'${open.resource}' has not been told of the commit yet, and holds locks`,
        'Forget it when that database has answered.',
      );
    }
    await pending.release();
  }

  async #finishFound(wish: OperatorWish, view: TransactionView): Promise<void> {
    const direction: Direction = wish.action === 'commit' ? 'commit' : 'rollback';
    const allowed = direction === 'commit' ? ['fenced'] : ['fenced', 'orphaned', 'stray'];
    const branches = [...this.#core.resources.values()].flatMap((resource) =>
      resource.found
        .filter(({ branch, kind }) => branch.id?.transaction === view.id && allowed.includes(kind))
        .map((found) => ({ resource, found })),
    );
    if (branches.length === 0) {
      throw refused(
        wish,
        view.state === 'active' || view.state === 'preparing'
          ? 'it is running'
          : 'nothing of it is prepared under the name of a life that this store cannot vouch for',
        'What is decided, or was never decided, ends by itself.',
      );
    }
    for (const { resource, found } of branches) await this.#finishOne(wish, resource, found, direction);
    await Promise.all(
      [...new Set(branches.map(({ resource }) => resource))].map((one) => this.#recovery.roundNow(one)),
    );
  }

  async #finishOne(
    wish: OperatorWish,
    resource: UsedResource,
    { branch: { id } }: ClassifiedBranch,
    direction: Direction,
  ): Promise<void> {
    if (id === undefined) return;
    const answer = await finishByRecovery(resource, { id, direction, evidence: undefined, mayHaveFinished: false });
    if (answer.kind === 'done') return;
    throw new TransactionActionRefused(
      wish.action,
      formatBranchId(id),
      `'${resource.name}' answered: ${answer.answer}`,
      answer.kind === 'again'
        ? 'Try again when that has been put right.'
        : 'Somebody else may have ended it: look there.',
    );
  }

  /** Where nothing may be presumed an operator's word stands in; the database still has the last one on `abort`. */
  async #endStaged(wish: OperatorWish, pending: PendingTransaction): Promise<void> {
    const [branch] = pending.branches;
    const isFenced = branch !== undefined && this.#core.records.fences.has(branch.resource);
    if (pending.record.state !== 'staged' || pending.state.current !== 'inDoubt' || !isFenced) {
      if (pending.branches.some(({ heuristic }) => heuristic !== undefined)) {
        const why = 'it was decided to commit, and a database has another outcome, which nobody can change any more';
        throw refused(wish, why, `Put the data right by hand, then use 'forget'.`);
      }
      const why =
        pending.record.state === 'decided'
          ? 'it is decided: commit'
          : 'its outcome is found out by asking its database';
      throw refused(wish, why, `Use 'retry' to ask its databases now.`);
    }
    if (wish.action === 'commit') {
      await pending.apply();
      return;
    }
    const resource = this.#core.resources.get(branch.resource);
    if (resource === undefined) {
      throw refused(wish, `no endpoint that lists '${branch.resource}' is running here`, 'Start one, then abort it.');
    }
    if (!(await settleStaged(this.#core, pending, { resource }))) {
      throw refused(wish, `'${branch.resource}' did not answer: ${branch.lastAnswer ?? 'nothing'}`, 'Try again later.');
    }
    if (pending.state.hasCommitted) {
      throw refused(wish, `its marker row stands in '${branch.resource}': it committed, and that was noted`, '');
    }
  }

  async #acceptStore(wish: OperatorWish): Promise<void> {
    if (!this.#core.records.fences.has(wish.id)) {
      throw refused(wish, 'this resource is not fenced', `Give the id of a transaction, or the name of a fenced one.`);
    }
    const resource = this.#core.resources.get(wish.id);
    if (resource === undefined) {
      throw refused(
        wish,
        'no endpoint that lists it is running here',
        'Start one: it receives nothing while it is fenced.',
      );
    }
    await this.#accept(resource);
    await this.#note(wish, wish.id, { before: 'fenced', after: resource.standing });
  }

  #note(
    { action, by, reason }: OperatorWish,
    transaction: string,
    change: { readonly before: string; readonly after: string },
  ): Promise<void> {
    const atMs = this.#core.io.clock.wallNowMs();
    this.#core.logger.info(`'${action}' on ${transaction} by ${by}: ${change.before} is now ${change.after}.`, {
      reason,
    });
    return this.#core.records.addAction({ atMs, by, action, transaction, reason, ...change });
  }
}

interface OperatorActionsOptions {
  readonly core: CoordinatorCore;
  readonly recovery: Recovery;
  readonly views: Views;
  readonly accept: (resource: UsedResource) => Promise<void>;
}

function refused(wish: OperatorWish, why: string, mend: string): TransactionActionRefused {
  return new TransactionActionRefused(wish.action, wish.id, why, mend);
}
