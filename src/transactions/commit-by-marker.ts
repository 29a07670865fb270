import { failpoint } from '../io/failpoint.ts';
import { asError } from './as-error.ts';
import type { CoordinatorCore } from './coordinator-core.ts';
import { RequestTimedOut, transactionInDoubt } from './errors.ts';
import { IN_DOUBT_MS_MAX, IN_DOUBT_PAUSES_MS } from './limits.ts';
import { isOutcomeUnknown } from './outcome-unknown.ts';
import { PendingTransaction } from './pending-transaction.ts';
import type { Branch, MarkerAnswer } from './resource-manager.ts';
import { settleStaged } from './settle-staged.ts';
import { SteppedWork } from './stepped-work.ts';
import type { TransactionAtHand } from './transaction-at-hand.ts';
import { unlessAborted } from './unless-aborted.ts';

/**
 * Commits with one database, whose own commit is the decision.
 *
 *     STAGE ──synced──▶ marker 'c' and COMMIT ──committed──▶ APPLY ──synced──▶ over, marker row deleted later
 *       │                      ├──refused, proven──▶ DISCARD ──▶ the server's error
 *       │                      └──unknown──▶ fence, for up to five seconds, and no longer than a stop waits
 *       │                                      ├─'c' stands there──▶ APPLY
 *       │                                      ├─'a' stands there──▶ DISCARD with the abort row noted ──▶ the first error
 *       │                                      └─no answer─────────▶ OUTCOME_UNKNOWN; recovery asks on
 *       └──refused by the store──▶ branch rolled back, the store's error
 *
 * Order of syncs
 * - COMMIT is sent after STAGE is durable: what is in the database can always be told from what was staged.
 * - The marker row outlives APPLY's sync. Deleted before, a crash would find no row and fence a transaction that committed.
 *
 * Invariants
 * - From STAGE on, only a proven no or an abort row in the database takes the transaction back.
 * - A second unit that the store refuses leaves the message locked; it is tried again, and the caller hears OUTCOME_UNKNOWN.
 */
export async function commitByMarker(
  core: CoordinatorCore,
  transaction: TransactionAtHand,
  branch: Branch,
): Promise<void> {
  const pending = await stage(core, transaction, branch);
  failpoint('transaction.staged-before-commit');
  const { givenUp } = transaction.request;
  const answer = await askForCommit(branch, givenUp);
  switch (answer.kind) {
    case 'committed': {
      failpoint('transaction.committed-before-apply');
      const canWait = transaction.request.databasesDone?.();
      await secondUnit(core, pending, () => pending.apply({ canWait }));
      failpoint('transaction.applied');
      return;
    }
    case 'refused':
      failpoint('transaction.refused-before-discard');
      await secondUnit(core, pending, () => pending.discard(undefined));
      throw answer.error;
    case 'unknown':
      pending.state.move('inDoubt');
      await settleSoon(core, pending, { error: answer.error, givenUp });
      return;
    default:
      answer satisfies never;
  }
}

async function stage(
  core: CoordinatorCore,
  transaction: TransactionAtHand,
  branch: Branch,
): Promise<PendingTransaction> {
  transaction.state.move('staging');
  failpoint('transaction.before-stage');
  const work = SteppedWork.begin(core.side.store, transaction.work.takeParticipants());
  try {
    const record = await work.stage((queueSide) => ({ ...transaction.describe([branch], 'marker'), ...queueSide }));
    transaction.state.move('staged');
    const { state, settled } = transaction;
    const { over } = core;
    const pending = new PendingTransaction({ record, work, state, owner: 'commit', settled, over });
    core.pending.add(pending);
    return pending;
  } catch (error) {
    // Also when the answer was lost: the branch has not committed, and what the next open finds staged it will fence.
    if (isOutcomeUnknown(error)) {
      transaction.state.move('unknown');
      await transaction.branches.rollback();
    } else {
      work.abandon();
      await transaction.abort();
    }
    throw error;
  }
}

/** R1 says that it never rejects; if it does, nothing is proven. */
async function askForCommit(branch: Branch, givenUp: AbortSignal | undefined): Promise<MarkerAnswer> {
  try {
    return await unlessAborted(branch.commitWithMarker(), givenUp);
  } catch (error) {
    return { kind: 'unknown', error: asError(error) };
  }
}

/** The outcome is known; the message stays locked until that is durable here too. */
async function secondUnit(
  core: CoordinatorCore,
  pending: PendingTransaction,
  write: () => Promise<void>,
): Promise<void> {
  try {
    await write();
  } catch (error) {
    pending.owner = 'recovery';
    core.follow.unitDue();
    throw isOutcomeUnknown(error) ? error : inDoubt(pending, error);
  }
}

/** The bound holds for the questions too: those of other transactions may stand before them on the way to the database. */
async function settleSoon(core: CoordinatorCore, pending: PendingTransaction, doubt: Doubt): Promise<void> {
  const name = pending.branches[0]?.resource ?? '';
  const resource = core.resources.get(name);
  const timeoutMs = IN_DOUBT_MS_MAX;
  const tooLate = new RequestTimedOut(name, 'what became of a commit', timeoutMs, 'recovery asks on');
  const { signal, end } = core.waitAtMost({ timeoutMs, tooLate, givenUp: doubt.givenUp });
  try {
    for (let round = 0; resource !== undefined && !signal.aborted; round++) {
      const isSettled = await secondUnitOf(core, pending, () => settleStaged(core, pending, { resource, signal }));
      if (isSettled && pending.state.current === 'committed') return;
      if (isSettled) throw doubt.error;
      await core.pause(IN_DOUBT_PAUSES_MS[Math.min(round, IN_DOUBT_PAUSES_MS.length - 1)] ?? 0, signal);
    }
  } finally {
    end();
  }
  pending.owner = 'recovery';
  core.follow.lookAt([name]);
  throw inDoubt(pending, doubt.error);
}

interface Doubt {
  /** Why the answer to the commit is not known. */
  readonly error: Error;
  readonly givenUp: AbortSignal | undefined;
}

async function secondUnitOf(
  core: CoordinatorCore,
  pending: PendingTransaction,
  settle: () => Promise<boolean>,
): Promise<boolean> {
  let isSettled = false;
  await secondUnit(core, pending, async () => {
    isSettled = await settle();
  });
  return isSettled;
}

function inDoubt(pending: PendingTransaction, cause: unknown): Error {
  const error = transactionInDoubt(pending.id, pending.branches[0]?.resource ?? '');
  error.cause = cause;
  return error;
}
