import type { Io } from '../../io/io.ts';
import { isPosthornError } from '../../message/posthorn-error.ts';
import type { Branch, ExamineRequest, ResourceManager } from '../../transactions/resource-manager.ts';
import {
  type BranchId,
  formatBranchQualifier,
  formatTransactionId,
  generationField,
  queueManagerField,
} from '../../transactions/transaction-id.ts';
import { connectionProblem } from '../shared/connection-problem.ts';
import { type Examination, failed, ok, type StepResult, warning } from '../shared/examination.ts';
import type { GuardedClient } from './guarded-connection.ts';
import { inspectServer } from './inspect-server.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import type { MysqlSettings } from './mysql-options.ts';
import { isTransactional, readTableEngines } from './mysql-tables.ts';

/** What is looked at once there is a login, in this order. */
export const SERVER_STEPS = [
  'version',
  'connections',
  'rights',
  'tables',
  'durability',
  'clock',
  'prepare and roll back',
  'prepare and commit',
] as const;

export async function examineServer(examination: Examination, server: ExaminedServer): Promise<void> {
  const isFit = await examination.step('version', () => examineVersion(server));
  await examination.step('connections', () => examineConnections(server));
  const mayWrite = await examination.step('rights', () => examineRights(server));
  const hasTables = await examination.step('tables', () => examineTables(server));
  await examination.step('durability', () => examineDurability(server));
  await examination.step('clock', () => examineClock(server));
  if (!isFit || !mayWrite || !hasTables) {
    for (const step of ['prepare and roll back', 'prepare and commit']) {
      examination.skip(step, 'a step before that it needs failed');
    }
    return;
  }
  await examination.step('prepare and roll back', () => tell(() => prepareAndRollBack(server)));
  await examination.step('prepare and commit', () => tell(() => prepareAndCommit(server)));
}

export interface ExaminedServer {
  readonly resource: ResourceManager;
  readonly settings: MysqlSettings;
  readonly io: Io;
  readonly connection: MysqlConnection;
  readonly request: ExamineRequest;
}

const CLOCK_MS_MAX = 2000;
/** Beside the branches: recovery, the look at silent sessions, setup. */
const SPARE_CONNECTIONS = 3;

async function examineVersion({ connection }: ExaminedServer): Promise<StepResult> {
  const { server, markerObstacle, twoPhaseObstacle } = await inspectServer(connection);
  const obstacle = markerObstacle ?? twoPhaseObstacle;
  if (obstacle !== undefined) return failed(obstacle.what, obstacle.mend);
  return ok(`${server}; XA transactions are on, and as many as fit may be prepared`);
}

async function examineConnections({ connection, request }: ExaminedServer): Promise<StepResult> {
  const [row] = await connection.ask('select @@max_connections as most, @@max_user_connections as most_of_user');
  const limits = [Number(row?.most), Number(row?.most_of_user)].filter((limit) => limit > 0);
  const most = Math.min(...limits);
  const needed = request.branchCount + SPARE_CONNECTIONS;
  const text = `${needed} connections are needed (${request.branchCount} branches at a time), ${most} are allowed`;
  return needed <= most
    ? ok(text)
    : failed(text, `Set max_connections to ${needed} at least, or lower the concurrency.`);
}

async function examineRights({ resource, settings }: ExaminedServer): Promise<StepResult> {
  try {
    await resource.setup.createTables();
    await resource.recovery.scan();
    return ok('the login may write its tables, and list prepared branches');
  } catch (error) {
    if (!isPosthornError(error)) return failed(connectionProblem(error), 'See what the server says of it.');
    if (settings.tables === 'expect') return failed("Posthorn's two tables are not there", error.mend);
    return failed("the login may not make Posthorn's two tables", error.mend);
  }
}

async function examineTables({ connection, settings, request }: ExaminedServer): Promise<StepResult> {
  const found = await readTableEngines(connection, request.tables);
  const missing = request.tables.filter(
    (table) => !found.some(({ name }) => name.toLowerCase() === table.toLowerCase()),
  );
  if (missing.length > 0) {
    return failed(`${missing.join(', ')} is not in ${settings.login.database}`, 'Correct the names of the tables.');
  }
  const wrong = found.filter(({ engine }) => !isTransactional(engine));
  if (wrong.length > 0) {
    const all = wrong.map(({ name, engine }) => `${name} (${engine})`).join(', ');
    const mend = wrong.map(({ name }) => `ALTER TABLE ${name} ENGINE = InnoDB;`).join(' ');
    return failed(`what is written stays after a rollback in ${all}`, `Run: ${mend}`);
  }
  return ok(found.length === 0 ? 'none were named' : `${found.map(({ name }) => name).join(', ')}: transactional`);
}

/** What a server says it has committed, and forgets when the power fails, would be there in the queues alone. */
async function examineDurability({ connection }: ExaminedServer): Promise<StepResult> {
  const [row] = await connection.ask(
    'select @@innodb_flush_log_at_trx_commit as flush, @@log_bin as log_bin, @@sync_binlog as sync_binlog',
  );
  if (Number(row?.flush) !== 1) {
    const text = `innodb_flush_log_at_trx_commit is ${String(row?.flush)}: the last commits are lost when the power fails`;
    return warning(text, 'Run there: SET GLOBAL innodb_flush_log_at_trx_commit = 1;');
  }
  if (Number(row?.log_bin) === 1 && Number(row?.sync_binlog) !== 1) {
    const text = `sync_binlog is ${String(row?.sync_binlog)}: after a power failure replicas may lack, or have, what this server has not`;
    return warning(text, 'Run there: SET GLOBAL sync_binlog = 1;');
  }
  return ok('every commit is on the disk before it is answered');
}

async function examineClock({ connection, io }: ExaminedServer): Promise<StepResult> {
  const beforeMs = io.clock.wallNowMs();
  const [row] = await connection.ask('select unix_timestamp(current_timestamp(6)) as seconds');
  const hereMs = (beforeMs + io.clock.wallNowMs()) / 2;
  const aheadMs = Math.round(Number(row?.seconds) * 1000 - hereMs);
  const text = `the server's clock is ${Math.abs(aheadMs)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} this machine's`;
  return Math.abs(aheadMs) <= CLOCK_MS_MAX ? ok(text) : warning(text, 'Let both take the time from one source (NTP).');
}

/** Written, prepared, found by a scan, rolled back on its own connection, and gone. */
async function prepareAndRollBack(server: ExaminedServer): Promise<StepResult> {
  const branch = await preparedBranch(server);
  const scanned = await server.resource.recovery.scan();
  const isListed = scanned.some(({ id }) => id?.transaction === branch.id.transaction);
  const answer = await branch.finish('rollback');
  if (!isListed) return failed('a prepared branch was not listed by XA RECOVER', 'See which rights the login lacks.');
  if (answer.kind !== 'done') return failed(`it could not be rolled back: ${answer.answer}`, byHand(branch.id));
  return ok('a row was written, prepared, listed and rolled back');
}

/** Prepared on one connection and committed by recovery on another, which first ends the one that prepared (finding F2). */
async function prepareAndCommit(server: ExaminedServer): Promise<StepResult> {
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
  await recovery.deleteMarkers([branch.id.transaction]);
  return ok('a row was written, prepared, and committed by another connection');
}

const FINISH_AGAIN = 5;

async function preparedBranch({ resource, settings, io }: ExaminedServer): Promise<Branch> {
  const branch = await resource.begin({
    id: examinedId(io, resource),
    isolationLevel: 'read committed',
    idleMsMax: 60_000,
  });
  const client = branch.client as GuardedClient;
  await client.query(`insert into ${settings.tableNames.marker} (id, outcome) values (?, 'd')`, [
    branch.id.transaction,
  ]);
  await branch.end();
  const vote = await branch.prepare();
  if (vote.kind === 'yes') return branch;
  await branch.rollback();
  throw vote.error;
}

/** Of a queue manager that does not exist: whoever finds it, should we die here, sees a foreign branch. */
function examinedId({ random }: Io, resource: ResourceManager): BranchId {
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
    const mend = isPosthornError(error) ? error.mend : 'See what the server says of it.';
    return failed(connectionProblem(error), mend);
  }
}
