import type { Io } from '../../io/io.ts';
import { isPosthornError } from '../../message/posthorn-error.ts';
import type { Branch, ResourceManager } from '../../transactions/resource-manager.ts';
import {
  type BranchId,
  formatBranchQualifier,
  formatTransactionId,
  generationField,
  queueManagerField,
} from '../../transactions/transaction-id.ts';
import { connectionProblem } from '../shared/connection-problem.ts';
import { type Examination, failed, ok, type StepResult } from '../shared/examination.ts';
import type { GuardedClient } from './guarded-connection.ts';
import type { MysqlTables } from './mysql-tables.ts';

/**
 * Real transactions, of one row in Posthorn's own table: committed plainly; prepared and rolled back; prepared, and committed by
 * another connection, as recovery does it. Their ids are of a queue manager that does not exist: whoever finds one, should we
 * die in between, sees a foreign branch.
 */
export async function probeTransactions(examination: Examination, probed: Probed): Promise<void> {
  await examination.step('write and commit', () => tell(() => writeAndCommit(probed)));
  await examination.step('prepare and roll back', () => tell(() => prepareAndRollBack(probed)));
  await examination.step('prepare and commit', () => tell(() => prepareAndCommit(probed)));
}

export const PROBE_STEPS = ['write and commit', 'prepare and roll back', 'prepare and commit'] as const;

export interface Probed {
  readonly resource: ResourceManager;
  readonly io: Io;
  readonly tables: MysqlTables;
}

async function writeAndCommit(probed: Probed): Promise<StepResult> {
  const branch = await writtenBranch(probed);
  const { transaction } = branch.id;
  // Under another key than the row that was written.
  const answer = await branch.commitWithMarker();
  await probed.resource.recovery.deleteMarkers([transaction, probeKey(transaction)]);
  if (answer.kind !== 'committed') return failed(connectionProblem(answer.error), SEE_SERVER);
  return ok('a row was written and committed with its marker, and deleted again');
}

/** Written, prepared, found by a scan, rolled back on its own connection, and gone. */
async function prepareAndRollBack(server: Probed): Promise<StepResult> {
  const branch = await preparedBranch(server);
  const scanned = await server.resource.recovery.scan();
  const isListed = scanned.some(({ id }) => id?.transaction === branch.id.transaction);
  const answer = await branch.finish('rollback');
  if (!isListed) return failed('a prepared branch was not listed by XA RECOVER', 'See which rights the login lacks.');
  if (answer.kind !== 'done') return failed(`it could not be rolled back: ${answer.answer}`, byHand(branch.id));
  return ok('a row was written, prepared, listed and rolled back');
}

/** Prepared on one connection and committed by recovery on another, which first ends the one that prepared (finding F2). */
async function prepareAndCommit(server: Probed): Promise<StepResult> {
  const { recovery } = server.resource;
  const branch = await preparedBranch(server);
  const request = { id: branch.id, direction: 'commit', evidence: branch.evidence(), mayHaveFinished: false } as const;
  let answer = await recovery.finish(request);
  for (let again = 0; again < FINISH_AGAIN && answer.kind === 'again'; again++) answer = await recovery.finish(request);
  // Its connection is gone; this gives its place in the pool back.
  await branch.rollback();
  if (answer.kind !== 'done') {
    return failed(`another connection could not commit it: ${answer.answer}`, byHand(branch.id));
  }
  await recovery.deleteMarkers([probeKey(branch.id.transaction)]);
  return ok('a row was written and prepared by one connection, and committed by another');
}

const FINISH_AGAIN = 5;
const SEE_SERVER = 'See what the server says of it: the login may lack rights on posthorn_marker.';

async function writtenBranch({ resource, io, tables }: Probed): Promise<Branch> {
  const branch = await resource.begin({
    id: probeId(io, resource),
    isolationLevel: 'read committed',
    idleMsMax: 60_000,
  });
  try {
    const client = branch.client as GuardedClient;
    const key = probeKey(branch.id.transaction);
    await client.query(`insert into ${tables.marker} (id, outcome) values (?, 'd')`, [key]);
    await branch.end();
    return branch;
  } catch (error) {
    await branch.rollback();
    throw error;
  }
}

async function preparedBranch(probed: Probed): Promise<Branch> {
  const branch = await writtenBranch(probed);
  const vote = await branch.prepare();
  if (vote.kind === 'yes') return branch;
  await branch.rollback();
  throw vote.error;
}

function probeKey(transaction: string): string {
  return `doctor.${transaction.slice(-52)}`;
}

function probeId({ random }: Io, resource: ResourceManager): BranchId {
  const transaction = formatTransactionId({
    queueManager: queueManagerField(random.uuid()),
    generation: generationField(random.uuid()),
    epoch: 1,
    sequence: 1,
  });
  return { transaction, qualifier: formatBranchQualifier(resource.name, 0) };
}

function byHand({ transaction, qualifier }: BranchId): string {
  return `Look at XA RECOVER; it can be ended by hand: XA ROLLBACK '${transaction}','${qualifier}',1`;
}

async function tell(run: () => Promise<StepResult>): Promise<StepResult> {
  try {
    return await run();
  } catch (error) {
    const mend = isPosthornError(error) ? error.mend : SEE_SERVER;
    return failed(connectionProblem(error), mend);
  }
}
