import { ResourceTablesMissing } from '../../transactions/errors.ts';
import type {
  ExamineRequest,
  Obstacle,
  ResourceInspection,
  ResourceSetup,
} from '../../transactions/resource-manager.ts';
import type { SpareConnection } from '../shared/spare-connection.ts';
import { sqlState } from './answers.ts';
import { ENABLE_PREPARED } from './ask-for-vote.ts';
import { examinePostgres } from './examine-postgres.ts';
import type { PostgresConnection } from './postgres-connection.ts';
import type { PostgresSettings } from './postgres-options.ts';
import { FIND_SCHEMA_SQL, type PostgresTables, TABLES_SQL } from './postgres-tables.ts';

/** What is to be there before the first branch, in a PostgreSQL database. */
export class PostgresSetup implements ResourceSetup {
  readonly sql = TABLES_SQL;
  readonly #settings: PostgresSettings;
  readonly #spare: SpareConnection<PostgresConnection>;
  readonly #tables: PostgresTables;

  constructor(doors: SetupDoors) {
    this.#settings = doors.settings;
    this.#spare = doors.spare;
    this.#tables = doors.tables;
  }

  /** Several processes may do so at once: `if not exists` is no lock, so who comes second is refused, and looks again. */
  createTables(): Promise<void> {
    return this.#spare.use({
      what: 'create tables',
      timeoutMs: SETUP_MS,
      run: async (connection) => {
        for (let attempt = 1; !(await this.#areThere(connection)); attempt++) {
          if (this.#settings.tables === 'expect') throw new ResourceTablesMissing(this.#settings.name, TABLES_SQL);
          await this.#create(connection, attempt);
        }
      },
    });
  }

  inspect(): Promise<ResourceInspection> {
    return this.#spare.use({ what: 'inspect', timeoutMs: SETUP_MS, run: inspectPostgres });
  }

  examine(request: ExamineRequest): Promise<void> {
    return examinePostgres(request, this.#settings);
  }

  async #create(connection: PostgresConnection, attempt: number): Promise<void> {
    try {
      await connection.run(TABLES_SQL);
    } catch (error) {
      const code = sqlState(error) ?? '';
      const isRace = RACES.has(code) && attempt < ATTEMPTS;
      if (!isRace && code !== '') throw new ResourceTablesMissing(this.#settings.name, TABLES_SQL, { cause: error });
      if (!isRace) throw error;
    }
  }

  async #areThere(connection: PostgresConnection): Promise<boolean> {
    const [row] = await connection.rows<{ readonly there: boolean }>(
      `select to_regclass('posthorn_marker') is not null and to_regclass('posthorn_witness') is not null as there`,
    );
    const [found] = await connection.rows<{ readonly schema: string }>(FIND_SCHEMA_SQL);
    this.#tables.found(found?.schema);
    return row?.there === true;
  }
}

export interface SetupDoors {
  readonly settings: PostgresSettings;
  readonly spare: SpareConnection<PostgresConnection>;
  readonly tables: PostgresTables;
}

const SETUP_MS = 20_000;
const ATTEMPTS = 5;
/** Two sessions that make one table: a unique index of the catalog, or the table itself, is there already. */
const RACES: ReadonlySet<string> = new Set(['23505', '42P07', '42710', '40P01', '55P03']);

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
    mend: `Run there: grant select, insert, update, delete on posthorn_marker, posthorn_witness to "${login}";`,
  };
}
