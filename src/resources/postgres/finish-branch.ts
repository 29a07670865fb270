import { answerOf } from '../../transactions/answer-of.ts';
import type { FinishAnswer, FinishRequest } from '../../transactions/resource-manager.ts';
import { formatBranchId } from '../../transactions/transaction-id.ts';
import { judgeGone, refusedFinish, sqlState, type XactStatus } from './answers.ts';
import type { Answer } from './postgres-connection.ts';

/**
 * COMMIT PREPARED or ROLLBACK PREPARED, and what its answer proves. A branch that is gone is judged by the status of its
 * transaction number, which the server remembers for a long time. Never rejects: what is not proven is `again`.
 */
export async function finishBranch(request: FinishRequest, { ask }: FinishDoors): Promise<FinishAnswer> {
  const { id, direction } = request;
  const command = direction === 'commit' ? 'COMMIT PREPARED' : 'ROLLBACK PREPARED';
  try {
    const { tags } = await ask(command, `${command} '${formatBranchId(id)}'`);
    if (tags.at(-1) === command) return { kind: 'done', proof: command };
    return { kind: 'again', answer: `the server answered ${tags.join(', ')}` };
  } catch (error) {
    return afterError(error, request, { ask });
  }
}

export interface FinishDoors {
  ask(what: string, sql: string): Promise<Answer>;
}

async function afterError(error: unknown, request: FinishRequest, doors: FinishDoors): Promise<FinishAnswer> {
  const answer = answerOf(error);
  const code = sqlState(error);
  if (code === undefined) return { kind: 'again', answer };
  try {
    switch (refusedFinish(code)) {
      case 'gone': {
        const status = await statusOf(request.evidence?.transactionNumber, doors);
        const { direction, mayHaveFinished } = request;
        return judgeGone({ direction, status, mayHaveFinished });
      }
      case 'busy':
        return { kind: 'again', answer, sentence: 'Another session is finishing it just now.' };
      case 'otherUser':
      case 'otherDatabase':
        return { kind: 'again', answer, sentence: await holderSentence(request, doors) };
      default:
        return { kind: 'again', answer: `${answer} (${code})` };
    }
  } catch (second) {
    return { kind: 'again', answer: answerOf(second) };
  }
}

async function statusOf(transactionNumber: string | undefined, { ask }: FinishDoors): Promise<XactStatus> {
  if (transactionNumber === undefined || !/^\d{1,20}$/.test(transactionNumber)) return undefined;
  try {
    const { rows } = await ask(
      'what became of it',
      `select pg_catalog.pg_xact_status('${transactionNumber}'::xid8) as status`,
    );
    return readStatus(rows[0]?.status);
  } catch (error) {
    // "transaction ID … is in the future"
    if (sqlState(error) === '22023') return 'inFuture';
    throw error;
  }
}

function readStatus(status: unknown): XactStatus {
  return status === 'committed' || status === 'aborted' || status === 'in progress' ? status : null;
}

async function holderSentence({ id }: FinishRequest, { ask }: FinishDoors): Promise<string> {
  const { rows } = await ask(
    'whose it is',
    `select owner::text, database::text, current_user::text as login, current_database()::text as here
       from pg_catalog.pg_prepared_xacts where gid = '${formatBranchId(id)}'`,
  );
  const [row] = rows;
  if (row === undefined) return 'It is gone by now.';
  if (row.database !== row.here)
    return `It was prepared in database '${row.database}', and this resource is connected to '${row.here}': correct the resource.`;
  return `Prepared by user '${row.owner}', we log in as '${row.login}': only '${row.owner}' or a superuser may finish it.`;
}
