import { nodeIo } from '../../io/node-io.ts';
import { TRANSACTION_ID_LENGTH } from '../../transactions/transaction-id.ts';
import { connectionProblem } from '../shared/connection-problem.ts';
import { type Examination, failed, ok, type StepResult, warning } from '../shared/examination.ts';
import { sqlState } from './answers.ts';
import { ENABLE_PREPARED } from './ask-for-vote.ts';
import type { Answer, PostgresConnection } from './postgres-connection.ts';

/**
 * Real transactions, of one row in Posthorn's own table: committed plainly; prepared and rolled back; prepared, and committed
 * by another session, as recovery does it. Their names are foreign to every queue manager, so none takes them for its own.
 * What a doctor before this one left behind, killed in between, is rolled back first.
 */
export async function probeTransactions(examination: Examination, probe: Probe): Promise<void> {
  const { first, second, canPrepare } = probe;
  const hasTable = await isThere(first);
  await clearOld(first, hasTable);
  if (hasTable) await examination.step('write and commit', () => answered(() => writeAndCommit(first)));
  else examination.skip('write and commit', "Posthorn's tables are made at the first start");
  if (!canPrepare) {
    for (const step of PREPARING) examination.skip(step, 'prepared transactions are disabled');
    return;
  }
  const pair = { first, second, hasTable };
  await examination.step('prepare and roll back', () => answered(() => prepareAndRollBack(pair)));
  await examination.step('prepare and commit', () => answered(() => prepareAndCommit(pair)));
}

export interface Probe {
  readonly first: PostgresConnection;
  readonly second: PostgresConnection;
  readonly canPrepare: boolean;
}

interface Pair {
  readonly first: PostgresConnection;
  readonly second: PostgresConnection;
  readonly hasTable: boolean;
}

const PREPARING = ['prepare and roll back', 'prepare and commit'];
const PROBE_PREFIX = 'posthorn-doctor:';

async function isThere(connection: PostgresConnection): Promise<boolean> {
  const [row] = await connection.rows<{ readonly there: boolean }>(
    `select pg_catalog.to_regclass('posthorn_marker') is not null as there`,
  );
  return row?.there === true;
}

/** An error of the server is a finding; its text says what was not allowed. */
async function answered(run: () => Promise<StepResult>): Promise<StepResult> {
  try {
    return await run();
  } catch (error) {
    const code = sqlState(error);
    return failed(connectionProblem(error), PROBE_MENDS[code ?? ''] ?? 'See what the server says of it.');
  }
}

const PROBE_MENDS: Readonly<Record<string, string>> = {
  '42501':
    'Run there: grant select, insert, update, delete on posthorn_marker, posthorn_witness to the user of the resource;',
  '25006': "Let the resource's host name a server that takes writes.",
  '53200': "Raise 'max_prepared_transactions': all places are taken.",
  '55000': ENABLE_PREPARED,
};

async function writeAndCommit(connection: PostgresConnection): Promise<StepResult> {
  const row = probeRow();
  const { tags } = await orRollBack(connection, `begin; ${insert(row)}; commit`);
  if (tags.at(-1) !== 'COMMIT') return failed(`the server answered ${tags.join(', ')}`, 'See what its log says.');
  await connection.run(`delete from posthorn_marker where id = '${row}'`);
  return ok('a row was written, committed and deleted again');
}

async function prepareAndRollBack(pair: Pair): Promise<StepResult> {
  const { first, second } = pair;
  const { name, row } = await prepare(pair);
  const isSeen = await isListed(second, name);
  await first.run(`rollback prepared '${name}'`);
  const isGone = !(await isListed(second, name));
  if (!isSeen || !isGone || (await hasRow(pair, row)))
    return failed(
      'the list of prepared transactions does not show what was done',
      'Report it with the version of the server.',
    );
  return ok('a transaction was prepared, listed, and rolled back');
}

async function prepareAndCommit(pair: Pair): Promise<StepResult> {
  const { second, hasTable } = pair;
  const { name, row } = await prepare(pair);
  try {
    await second.run(`commit prepared '${name}'`);
  } catch (error) {
    await pair.first.run(`rollback prepared '${name}'`);
    throw error;
  }
  if (!hasTable) return ok('a transaction was prepared by one session and committed by another');
  if (!(await hasRow(pair, row)))
    return warning(
      'the row that was committed is not there',
      'See whether triggers or rules stand on posthorn_marker.',
    );
  await second.run(`delete from posthorn_marker where id = '${row}'`);
  return ok('a row was written and prepared by one session, and committed by another');
}

async function prepare({ first, hasTable }: Pair): Promise<{ readonly name: string; readonly row: string }> {
  const row = probeRow();
  const name = `${PROBE_PREFIX}${nodeIo().random.uuid()}`;
  const write = hasTable ? insert(row) : 'select pg_catalog.pg_current_xact_id()';
  await orRollBack(first, `begin; ${write}; prepare transaction '${name}'`);
  return { name, row };
}

async function orRollBack(connection: PostgresConnection, sql: string): Promise<Answer> {
  try {
    return await connection.run(sql);
  } catch (error) {
    await connection.run('rollback');
    throw error;
  }
}

async function isListed(connection: PostgresConnection, name: string): Promise<boolean> {
  return (await connection.rows('select 1 from pg_catalog.pg_prepared_xacts where gid = $1', [name])).length === 1;
}

async function hasRow({ second, hasTable }: Pair, row: string): Promise<boolean> {
  return hasTable && (await second.rows('select 1 from posthorn_marker where id = $1', [row])).length === 1;
}

/** In the form of no transaction: it fills the column and parses as nobody's. */
function probeRow(): string {
  return `probe.${nodeIo().random.uuid()}`.padEnd(TRANSACTION_ID_LENGTH, '.');
}

function insert(row: string): string {
  return `insert into posthorn_marker (id, outcome) values ('${row}', 'a')`;
}

async function clearOld(connection: PostgresConnection, hasTable: boolean): Promise<void> {
  const old = await connection.rows<{ readonly gid: string }>(
    `select gid from pg_catalog.pg_prepared_xacts
      where gid like $1 and database = pg_catalog.current_database() and owner = current_user
        and prepared < pg_catalog.now() - interval '1 minute'`,
    [`${PROBE_PREFIX}%`],
  );
  for (const { gid } of old) if (/^[a-z0-9:-]+$/.test(gid)) await connection.run(`rollback prepared '${gid}'`);
  if (hasTable && (await mayDelete(connection)))
    await connection.run(
      `delete from posthorn_marker where id like 'probe.%' and written_at < pg_catalog.now() - interval '1 minute'`,
    );
}

async function mayDelete(connection: PostgresConnection): Promise<boolean> {
  const [row] = await connection.rows<{ readonly may: boolean }>(
    `select pg_catalog.has_table_privilege('posthorn_marker', 'delete')
        and pg_catalog.has_table_privilege('posthorn_marker', 'select') as may`,
  );
  return row?.may === true;
}
