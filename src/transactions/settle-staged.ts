import { failpoint } from '../io/failpoint.ts';
import { answerOf } from './answer-of.ts';
import type { CoordinatorCore } from './coordinator-core.ts';
import type { PendingTransaction } from './pending-transaction.ts';
import type { FenceAnswer } from './resource-manager.ts';
import type { AbortRowRecord } from './transaction-record.ts';
import { unlessAborted } from './unless-aborted.ts';
import type { UsedResource } from './used-resource.ts';

/**
 * Settles a staged transaction whose answer is not known, by the fence: insert (id, 'a') into the marker table.
 *
 *     inserted, or 'a' found ──▶ it can never commit ──▶ DISCARD, in one unit with the note of the abort row
 *     'c' found ──▶ it committed ──▶ APPLY
 *     a lock, a timeout, a lost answer ──▶ nothing is known; end the session that was told to commit, and ask again
 *
 * The abort row stays until the session that was told to commit is proven gone (abort-rows.ts): a COMMIT that is frozen on
 * its way still lands when nothing stands there.
 *
 * Aborting `signal` ends the questions at once: nothing is known then either.
 *
 * @returns true when it is settled, durably here
 * @throws what the store answered to the unit; the unit stays due
 */
export async function settleStaged(
  core: CoordinatorCore,
  pending: PendingTransaction,
  question: Question,
): Promise<boolean> {
  const { resource } = question;
  const [branch] = pending.branches;
  if (branch === undefined) return false;
  failpoint('recovery.before-fence');
  let answer = await fence(pending, question);
  branch.attempts++;
  if (answer.kind === 'again' && (await isSessionGone(branch.session, question)))
    answer = await fence(pending, question);
  if (pending.state.current !== 'inDoubt') return false;
  if (answer.kind === 'again') {
    branch.lastAnswer = answer.answer;
    return false;
  }
  if (answer.kind === 'found' && answer.outcome === 'committed') {
    branch.lastAnswer = 'its marker row stands there';
    failpoint('recovery.fenced-before-apply');
    await pending.apply();
    return true;
  }
  branch.lastAnswer = 'an abort row stands there';
  const abortRow: AbortRowRecord = {
    id: pending.id,
    resource: resource.name,
    session: branch.session,
    sinceMs: core.io.clock.wallNowMs(),
  };
  failpoint('recovery.fenced-before-discard');
  await pending.discard(abortRow);
  failpoint('recovery.discarded');
  return true;
}

export interface Question {
  readonly resource: UsedResource;
  /** Undefined: until the database's own deadlines. */
  readonly signal?: AbortSignal;
}

/**
 * A session whose client died without a sign may have inserted the marker, and keeps us from it by its lock for as long as
 * the server lets it lie idle. Whatever its COMMIT comes to, once it is gone the fence can tell.
 */
async function isSessionGone(session: string, { resource, signal }: Question): Promise<boolean> {
  try {
    return (await unlessAborted(resource.recovery.endSession(session), signal)).kind === 'gone';
  } catch {
    // R1 says that it never rejects; if it does, or is given up, nothing is proven.
    return false;
  }
}

async function fence(pending: PendingTransaction, { resource, signal }: Question): Promise<FenceAnswer> {
  try {
    return await unlessAborted(resource.recovery.fence(pending.id), signal);
  } catch (error) {
    return { kind: 'again', answer: answerOf(error) };
  }
}
