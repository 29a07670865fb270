import { failpoint } from '../io/failpoint.ts';
import { answerOf } from './answer-of.ts';
import { asError } from './as-error.ts';
import type { CoordinatorCore } from './coordinator-core.ts';
import { noteFinish } from './note-finish.ts';
import { isOutcomeUnknown } from './outcome-unknown.ts';
import { PendingTransaction } from './pending-transaction.ts';
import type { Branch, Direction, FinishAnswer, PrepareAnswer } from './resource-manager.ts';
import { SteppedWork } from './stepped-work.ts';
import type { TransactionAtHand } from './transaction-at-hand.ts';
import { unlessAborted } from './unless-aborted.ts';

/**
 * Commits with several databases: two-phase commit, presumed abort.
 *
 *     PREPARE all ──all yes──▶ DECIDE ──synced──▶ COMMIT all ──all done──▶ RELEASE ──synced──▶ over
 *       │                        │                   ├──no answer──▶ recovery asks on; committed all the same
 *       │                        │                   └──heuristic──▶ noted durably; sends held until an operator's forget
 *       │                        ├──refused by the store──▶ ROLLBACK all
 *       │                        └──answer lost──▶ nothing is told to anybody; the next open reads what is there
 *       └──a no, or no answer──▶ ROLLBACK all; a branch that may yet become prepared is watched
 *
 * Order of syncs
 * - Every yes is the server's own sync. DECIDE is one sync with the queue work, and the commit point: no branch is told to
 *   commit before it (G-X2).
 * - RELEASE, which forgets the decision, follows the proof of every branch (G-X4).
 *
 * Invariants
 * - Before DECIDE nothing is written here: a process that dies leaves no record, and no record means rollback (G-X3).
 * - After it nothing is ever rolled back; `commit` resolves even when a database has to be told later.
 * - A wait that a stop gives up is a lost answer, before DECIDE and after it.
 */
export async function commitInTwoPhases(
  core: CoordinatorCore,
  transaction: TransactionAtHand,
  writers: readonly Branch[],
): Promise<void> {
  await prepareAll(core, transaction, writers);
  const pending = await decide(core, transaction, writers);
  failpoint('transaction.decided-before-commit');
  const { givenUp } = transaction.request;
  await Promise.all(
    writers.map(async (branch, index) => {
      const answer = await finish(branch, { direction: 'commit', givenUp });
      const noted = pending.branches[index];
      if (noted !== undefined) await noteFinish(core, pending, noted, answer);
      if (answer.kind === 'done') failpoint('transaction.branch-committed');
    }),
  );
  if (!pending.hasEndedEverywhere) {
    pending.owner = 'recovery';
    core.follow.lookAt(pending.branches.filter(({ isOpen }) => isOpen).map(({ resource }) => resource));
    return;
  }
  failpoint('transaction.committed-before-release');
  const canWait = transaction.request.databasesDone?.();
  const releasing = release(core, pending, canWait);
  // Where no send waits for it, the record's end is nobody's business but recovery's.
  if (pending.record.sends.length > 0) await releasing;
  else core.inBackground(releasing);
}

async function release(
  core: CoordinatorCore,
  pending: PendingTransaction,
  canWait: boolean | undefined,
): Promise<void> {
  try {
    await pending.release({ canWait });
    failpoint('transaction.released');
  } catch (error) {
    pending.owner = 'recovery';
    core.follow.unitDue();
    core.logger.warn(`Transaction ${pending.id} is committed; what it sent is released later.`, { error });
  }
}

async function prepareAll(
  core: CoordinatorCore,
  transaction: TransactionAtHand,
  writers: readonly Branch[],
): Promise<void> {
  transaction.state.move('preparing');
  failpoint('transaction.before-prepare');
  const { givenUp } = transaction.request;
  const answers = await Promise.all(writers.map((branch) => prepare(branch, givenUp)));
  const failed = answers.find((answer) => answer.kind !== 'yes');
  if (failed === undefined) {
    failpoint('transaction.prepared-before-decision');
    return;
  }
  await rollBackAll(core, transaction, writers, answers);
  throw failed.error;
}

async function prepare(branch: Branch, givenUp: AbortSignal | undefined): Promise<PrepareAnswer> {
  try {
    const answer = await unlessAborted(branch.prepare(), givenUp);
    if (answer.kind === 'yes') failpoint('transaction.branch-prepared');
    return answer;
  } catch (error) {
    return { kind: 'unknown', error: asError(error) };
  }
}

/** Nothing was decided, so nothing of it may stay: also not a branch that becomes prepared after we stopped listening. */
async function rollBackAll(
  core: CoordinatorCore,
  transaction: TransactionAtHand,
  writers: readonly Branch[],
  answers: readonly PrepareAnswer[],
): Promise<void> {
  transaction.state.move('aborting');
  transaction.work.rollback();
  const { givenUp } = transaction.request;
  await Promise.all(
    writers.map((branch, index) => rollBack(core, branch, { vote: answers[index]?.kind ?? 'yes', givenUp })),
  );
  transaction.state.move('rolledBack');
  transaction.settled('rolledBack');
}

async function rollBack(core: CoordinatorCore, branch: Branch, { vote, givenUp }: RollbackOfVote): Promise<void> {
  if (vote !== 'yes') await rollBackUnprepared(branch, givenUp);
  const answer = vote === 'yes' ? await finish(branch, { direction: 'rollback', givenUp }) : undefined;
  if (vote === 'no' || answer?.kind === 'done') return;
  core.follow.watch(branch.resource.name, {
    transaction: branch.id.transaction,
    qualifier: branch.id.qualifier,
    session: vote === 'unknown' ? branch.session : undefined,
    lastAnswer: answer?.answer ?? 'the answer to PREPARE was lost',
    attempts: 1,
    sinceMs: core.io.clock.wallNowMs(),
  });
}

interface RollbackOfVote {
  readonly vote: PrepareAnswer['kind'];
  readonly givenUp: AbortSignal | undefined;
}

async function rollBackUnprepared(branch: Branch, givenUp: AbortSignal | undefined): Promise<void> {
  try {
    await unlessAborted(branch.rollback(), givenUp);
  } catch {
    // Given up: the server rolls back when the connection ends. What may become prepared meanwhile is watched.
  }
}

async function decide(
  core: CoordinatorCore,
  transaction: TransactionAtHand,
  writers: readonly Branch[],
): Promise<PendingTransaction> {
  const { state, settled, request } = transaction;
  state.move('deciding');
  const work = SteppedWork.begin(core.side.store, transaction.work.takeParticipants());
  try {
    const record = await work.decide(
      (queueSide) => ({ ...transaction.describe(writers, 'twoPhase'), ...queueSide }),
      request.sendsVisible === 'afterBranches',
    );
    state.move('decided');
    const { over } = core;
    const pending = new PendingTransaction({ record, work, state, owner: 'commit', settled, over });
    core.pending.add(pending);
    settled('committed');
    return pending;
  } catch (error) {
    if (isOutcomeUnknown(error)) {
      state.move('unknown');
    } else {
      work.abandon();
      await rollBackAll(core, transaction, writers, []);
    }
    throw error;
  }
}

async function finish(branch: Branch, { direction, givenUp }: Finishing): Promise<FinishAnswer> {
  try {
    return await unlessAborted(branch.finish(direction), givenUp);
  } catch (error) {
    return { kind: 'again', answer: answerOf(error) };
  }
}

interface Finishing {
  readonly direction: Direction;
  readonly givenUp: AbortSignal | undefined;
}
