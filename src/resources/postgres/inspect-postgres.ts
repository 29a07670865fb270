import type { Obstacle, ResourceInspection } from '../../transactions/resource-manager.ts';
import { ENABLE_PREPARED } from './ask-for-vote.ts';
import type { PostgresConnection } from './postgres-connection.ts';

/** What a server is, and what keeps it from taking part. */
export async function inspectPostgres(connection: PostgresConnection): Promise<ResourceInspection> {
  const [row] = await connection.rows<InspectionRow>(INSPECTION);
  const { version, versionNumber } = connection.server;
  const server = `PostgreSQL ${version}`;
  const common = row === undefined ? undefined : commonObstacle(row, versionNumber);
  const preparedMax = row?.prepared_max ?? 0;
  const disabled: Obstacle = {
    what: 'prepared transactions are disabled (max_prepared_transactions is 0)',
    mend: ENABLE_PREPARED,
  };
  return {
    server,
    preparedMax,
    twoPhaseObstacle: common ?? (preparedMax === 0 ? disabled : undefined),
    markerObstacle: common ?? (row === undefined ? undefined : markerObstacle(row)),
  };
}

interface InspectionRow {
  readonly prepared_max: number;
  readonly is_standby: boolean;
  readonly has_marker: boolean;
  /** Null while the table is not there. */
  readonly may_use_marker: boolean | null;
  readonly login: string;
}

const INSPECTION = `
  select pg_catalog.current_setting('max_prepared_transactions')::int as prepared_max,
         pg_catalog.pg_is_in_recovery() as is_standby,
         pg_catalog.to_regclass('posthorn_marker') is not null as has_marker,
         pg_catalog.has_table_privilege(pg_catalog.to_regclass('posthorn_marker'), 'insert')
           and pg_catalog.has_table_privilege(pg_catalog.to_regclass('posthorn_marker'), 'select')
           and pg_catalog.has_table_privilege(pg_catalog.to_regclass('posthorn_marker'), 'delete') as may_use_marker,
         current_user::text as login`;

/** pg_xact_status with 64 bits, which proves outcomes, came with 13. */
const VERSION_MIN = 130_000;

function commonObstacle({ is_standby }: InspectionRow, versionNumber: number): Obstacle | undefined {
  if (versionNumber < VERSION_MIN)
    return { what: `the server's version is older than 13 (${versionNumber})`, mend: 'Use PostgreSQL 13 or newer.' };
  if (!is_standby) return undefined;
  return {
    what: 'the server is a hot standby, which takes no writes',
    mend: "Let the resource's host name the primary server.",
  };
}

function markerObstacle({ has_marker, may_use_marker, login }: InspectionRow): Obstacle | undefined {
  // `createTables` makes it, or says that it is missing.
  if (!has_marker) return undefined;
  if (may_use_marker === true) return undefined;
  return {
    what: `'${login}' may not insert, read and delete in posthorn_marker`,
    mend: `Run there: ${grantTables(login)}`,
  };
}

export function grantTables(login: string): string {
  return `grant select, insert, update, delete on posthorn_marker, posthorn_witness to "${login}";`;
}
