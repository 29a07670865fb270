import type { Io } from '../../io/io.ts';
import type { ExamineRequest, ResourceInspection, ResourceManager } from '../../transactions/resource-manager.ts';
import { type Examination, failed, ok, type StepResult, warning } from '../shared/examination.ts';
import { oneTableGone } from '../shared/one-table-gone.ts';
import { MARKER_TABLE, WITNESS_TABLE } from '../shared/table-names.ts';
import { inspectServer } from './inspect-server.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import type { MysqlSettings } from './mysql-options.ts';
import { isTransactional, readTableEngines, TABLES_SQL } from './mysql-tables.ts';
import { PROBE_STEPS, probeTransactions } from './probe-transactions.ts';

/** What is looked at once there is a login, in this order. */
export const SERVER_STEPS = [
  'version',
  'prepared transactions',
  'connections',
  "Posthorn's tables",
  'tables',
  'durability',
  'clock',
  ...PROBE_STEPS,
] as const;

export async function examineServer(examination: Examination, server: ExaminedServer): Promise<void> {
  const inspection = await inspectServer(server.connection);
  const isFit = await examination.step('version', async () => versionResult(inspection));
  const canPrepare = await examination.step('prepared transactions', () => examinePrepared(server, inspection));
  await examination.step('connections', () => examineConnections(server));
  await examination.step("Posthorn's tables", () => examineOwnTables(server));
  if (server.request.tables.length === 0) examination.skip('tables', 'none were named');
  for (const table of server.request.tables) await examination.step('tables', () => examineTable(server, table));
  await examination.step('durability', () => examineDurability(server));
  await examination.step('clock', () => examineClock(server));
  const obstacle = isFit && canPrepare ? await missingTables(server) : 'a step before that it needs failed';
  if (obstacle === undefined) await probeTransactions(examination, { ...server, tables: server.settings.tableNames });
  else for (const step of PROBE_STEPS) examination.skip(step, obstacle);
}

export interface ExaminedServer {
  readonly resource: ResourceManager;
  readonly settings: MysqlSettings;
  readonly io: Io;
  readonly connection: MysqlConnection;
  readonly request: ExamineRequest;
}

const CLOCK_MS_MAX = 30_000;
/** Beside the branches: recovery, the look at silent sessions, setup. */
const SPARE_CONNECTIONS = 3;

function versionResult({ server, markerObstacle }: ResourceInspection): StepResult {
  return markerObstacle === undefined ? ok(server) : failed(`${server}: ${markerObstacle.what}`, markerObstacle.mend);
}

async function examinePrepared(
  { connection }: ExaminedServer,
  { markerObstacle, twoPhaseObstacle }: ResourceInspection,
): Promise<StepResult> {
  // What stands against both was told with the version.
  if (twoPhaseObstacle !== undefined && markerObstacle === undefined) {
    return failed(twoPhaseObstacle.what, twoPhaseObstacle.mend);
  }
  if (markerObstacle !== undefined) return { outcome: 'skipped', text: 'the server cannot take part' };
  const { length } = await connection.ask('xa recover');
  return ok(`as many as are wanted may be prepared; ${length} are, by whomever`);
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

async function examineOwnTables({ connection, settings }: ExaminedServer): Promise<StepResult> {
  const found = await readTableEngines(connection, [MARKER_TABLE, WITNESS_TABLE]);
  if (found.length === 2) return ok('they are there');
  if (found.length === 1) return oneTableGone();
  const mend = `Have somebody who may run this there:\n${TABLES_SQL}`;
  if (settings.tables === 'expect') return failed('they are missing', mend);
  return ok('they are not there yet, and are made at the first start');
}

async function missingTables({ connection }: ExaminedServer): Promise<string | undefined> {
  const found = await readTableEngines(connection, [MARKER_TABLE]);
  return found.length === 1 ? undefined : "Posthorn's tables are made at the first start";
}

async function examineTable({ connection, settings }: ExaminedServer, table: string): Promise<StepResult> {
  const [found] = await readTableEngines(connection, [table]);
  if (found === undefined) {
    return failed(`'${table}' is not in database '${settings.login.database}'`, 'Correct its name, or make it.');
  }
  if (isTransactional(found.engine)) return ok(`'${table}' takes part in transactions (${found.engine})`);
  return failed(
    `'${table}' is kept by the engine ${found.engine}, in which what was written stays after a rollback`,
    `Run: ALTER TABLE ${table} ENGINE = InnoDB;`,
  );
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
  return Math.abs(aheadMs) <= CLOCK_MS_MAX
    ? ok(text)
    : warning(text, 'Set both by NTP: ages in lists are wrong meanwhile.');
}
