import { nodeIo } from '../../io/node-io.ts';
import type { ExamineRequest } from '../../transactions/resource-manager.ts';
import { type Examination, failed, ok, type StepResult, warning } from '../shared/examination.ts';
import { oneTableGone } from '../shared/one-table-gone.ts';
import { inspectPostgres } from './inspect-postgres.ts';
import type { PostgresConnection } from './postgres-connection.ts';
import { TABLES_SQL } from './postgres-tables.ts';

/** What the server is, and whether its settings do for these endpoints. True when it can prepare transactions. */
export async function examineServer(
  examination: Examination,
  connection: PostgresConnection,
  request: ExamineRequest,
): Promise<boolean> {
  const inspection = await inspectPostgres(connection);
  const [facts] = await connection.rows<ServerRow>(SERVER);
  await examination.step('version', async () => {
    const { twoPhaseObstacle, preparedMax, server } = inspection;
    // Of the obstacles, those of the server as a whole are told here, the setting below.
    const isOfSetting = twoPhaseObstacle === undefined || preparedMax === 0;
    return isOfSetting ? ok(server) : failed(`${server}: ${twoPhaseObstacle.what}`, twoPhaseObstacle.mend);
  });
  const canPrepare = await examination.step('prepared transactions', async () =>
    preparedResult(inspection.preparedMax ?? 0, facts?.prepared_count ?? 0, request.branchCount),
  );
  await examination.step("Posthorn's tables", async () => {
    const { markerObstacle } = inspection;
    if (markerObstacle !== undefined) return failed(markerObstacle.what, markerObstacle.mend);
    if (facts?.has_tables === true) return ok('they are there, and this login may use them');
    if (facts?.has_one_table === true) return oneTableGone();
    if (facts?.may_create === true) return ok('they are not there yet, and are made at the first start');
    const mend = `Have somebody who may run this there:\n${TABLES_SQL}`;
    return failed('they are missing, and this login may not make them', mend);
  });
  for (const table of request.tables) await examination.step('tables', () => examineTable(connection, table));
  await examination.step('durability', async () => durabilityResult(facts));
  await examination.step('clock', () => compareClocks(connection));
  return canPrepare;
}

interface ServerRow {
  readonly prepared_count: number;
  readonly has_tables: boolean;
  readonly has_one_table: boolean;
  readonly may_create: boolean;
  readonly fsync: string;
  readonly full_page_writes: string;
}

const SERVER = `
  select (select count(*)::int from pg_catalog.pg_prepared_xacts) as prepared_count,
         pg_catalog.to_regclass('posthorn_marker') is not null
           and pg_catalog.to_regclass('posthorn_witness') is not null as has_tables,
         (pg_catalog.to_regclass('posthorn_marker') is null)
           <> (pg_catalog.to_regclass('posthorn_witness') is null) as has_one_table,
         coalesce(pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'create'), false) as may_create,
         pg_catalog.current_setting('fsync') as fsync,
         pg_catalog.current_setting('full_page_writes') as full_page_writes`;

function preparedResult(preparedMax: number, preparedCount: number, branchCount: number): StepResult {
  const setting = `max_prepared_transactions is ${preparedMax}`;
  const mend = `Set max_prepared_transactions in postgresql.conf to ${Math.max(branchCount, 1)} or more, and restart the server. One database alone needs none: it uses the marker row.`;
  if (preparedMax === 0) return failed(`they are disabled: ${setting}`, mend);
  if (preparedMax < branchCount)
    return warning(
      `${setting}, and the endpoints may need ${branchCount} at a time: messages fail and are tried again`,
      mend,
    );
  const left = preparedMax - preparedCount;
  if (left < branchCount)
    return warning(
      `${setting}, and ${preparedCount} are in use, by whomever`,
      "See 'select * from pg_prepared_xacts': old ones hold locks, and may have been forgotten.",
    );
  return ok(`${setting}, ${preparedCount} in use`);
}

interface TableRow {
  readonly kind: string;
  readonly persistence: string;
}

async function examineTable(connection: PostgresConnection, table: string): Promise<StepResult> {
  const [row] = await connection.rows<TableRow>(
    `select relkind::text as kind, relpersistence::text as persistence from pg_catalog.pg_class
      where oid = pg_catalog.to_regclass($1)`,
    [table],
  );
  if (row === undefined)
    return failed(`'${table}' is not there, or not in the search path of this login`, 'Correct its name, or make it.');
  if (row.kind === 'f')
    return failed(`'${table}' is a foreign table, which cannot be prepared`, 'Write to it outside of the transaction.');
  if (row.persistence === 't')
    return failed(`'${table}' is temporary, which cannot be prepared`, 'Use a permanent table.');
  if (row.persistence === 'u')
    return warning(`'${table}' is unlogged: a crash of the server empties it`, `Run: alter table ${table} set logged;`);
  return ok(`'${table}' takes part in transactions`);
}

function durabilityResult(facts: ServerRow | undefined): StepResult {
  const off = [
    ...(facts?.fsync === 'off' ? ['fsync'] : []),
    ...(facts?.full_page_writes === 'off' ? ['full_page_writes'] : []),
  ];
  if (off.length === 0) return ok('commits are on the disk before they are answered');
  return warning(
    `${off.join(' and ')} ${off.length === 1 ? 'is' : 'are'} off: a crash of that machine can lose what was committed`,
    'Set it on in postgresql.conf.',
  );
}

const CLOCK_MS_MAX = 30_000;

async function compareClocks(connection: PostgresConnection): Promise<StepResult> {
  const { clock } = nodeIo();
  const beforeMs = clock.wallNowMs();
  const [row] = await connection.rows<{ readonly now_ms: number }>(
    'select (extract(epoch from pg_catalog.clock_timestamp()) * 1000)::float8 as now_ms',
  );
  const aheadMs = Math.round((row?.now_ms ?? Number.NaN) - (beforeMs + clock.wallNowMs()) / 2);
  const text = `the server's clock is ${Math.abs(aheadMs)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} this machine's`;
  return Math.abs(aheadMs) <= CLOCK_MS_MAX
    ? ok(text)
    : warning(text, 'Set both by NTP: ages in lists are wrong meanwhile.');
}
