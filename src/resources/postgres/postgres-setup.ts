import { ResourceTablesMissing } from '../../transactions/errors.ts';
import type { ExamineRequest, ResourceInspection, ResourceSetup } from '../../transactions/resource-manager.ts';
import type { SpareConnection } from '../shared/spare-connection.ts';
import { MARKER_TABLE } from '../shared/table-names.ts';
import { sqlState } from './answers.ts';
import { examinePostgres } from './examine-postgres.ts';
import { inspectPostgres } from './inspect-postgres.ts';
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

  hasMarkerTable(): Promise<boolean> {
    return this.#spare.use({
      what: 'is the marker table there',
      timeoutMs: SETUP_MS,
      run: async (connection) => {
        const [row] = await connection.rows<{ readonly there: boolean }>(
          `select to_regclass('${MARKER_TABLE}') is not null as there`,
        );
        return row?.there === true;
      },
    });
  }

  inspect(): Promise<ResourceInspection> {
    this.#spare.renew();
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
