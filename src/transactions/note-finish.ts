import type { CoordinatorCore } from './coordinator-core.ts';
import type { PendingBranch, PendingTransaction } from './pending-transaction.ts';
import type { FinishAnswer } from './resource-manager.ts';

/** Keeps what a database answered to the commit of a decided branch. A heuristic outcome is durable before it counts. */
export async function noteFinish(
  core: CoordinatorCore,
  pending: PendingTransaction,
  branch: PendingBranch,
  answer: FinishAnswer,
): Promise<void> {
  branch.attempts++;
  switch (answer.kind) {
    case 'done':
      branch.proof = answer.proof;
      branch.lastAnswer = 'committed';
      return;
    case 'again':
      branch.lastAnswer = answer.sentence ?? answer.answer;
      return;
    case 'heuristic': {
      branch.lastAnswer = answer.answer;
      const heuristic = { outcome: answer.outcome, answer: answer.answer, atMs: core.io.clock.wallNowMs() };
      core.logger.error(
        `Transaction ${pending.id} was decided to commit, and '${branch.resource}' has another outcome (${answer.outcome}): ${answer.answer}. What it sent is held until 'posthorn transactions forget'.`,
        { transaction: pending.id, resource: branch.resource, outcome: answer.outcome },
      );
      try {
        await pending.noteHeuristic(branch, heuristic);
      } catch (error) {
        // Not durable, so not concluded: the database is asked again, and says the same.
        branch.heuristic = undefined;
        core.logger.warn(`The heuristic outcome of ${pending.id} could not be written down yet.`, { error });
      }
      return;
    }
    default:
      answer satisfies never;
  }
}
