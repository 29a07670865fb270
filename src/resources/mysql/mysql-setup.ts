import type { Io } from '../../io/io.ts';
import type { Names } from '../../io/network.ts';
import type {
  ExamineRequest,
  ResourceInspection,
  ResourceManager,
  ResourceSetup,
} from '../../transactions/resource-manager.ts';
import type { SpareConnection } from '../shared/spare-connection.ts';
import { inspectServer } from './inspect-server.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import { examineDatabase } from './mysql-examination.ts';
import type { MysqlSettings } from './mysql-options.ts';
import { createTables, hasMarkerTable, TABLES_SQL } from './mysql-tables.ts';

/** What is to be there before the first branch, on a connection of its own. */
export class MysqlSetup implements ResourceSetup {
  readonly sql = TABLES_SQL;
  readonly #parts: SetupParts;

  constructor(parts: SetupParts) {
    this.#parts = parts;
  }

  createTables(): Promise<void> {
    const { name, tables } = this.#parts.settings;
    return this.#use('create tables', (connection) => createTables(connection, { resource: name, tables }));
  }

  hasMarkerTable(): Promise<boolean> {
    return this.#use('is the marker table there', hasMarkerTable);
  }

  inspect(): Promise<ResourceInspection> {
    this.#parts.renew();
    return this.#use('inspect', inspectServer);
  }

  examine(request: ExamineRequest): Promise<void> {
    return examineDatabase(this.#parts, request);
  }

  #use<Result>(what: string, run: (connection: MysqlConnection) => Promise<Result>): Promise<Result> {
    return this.#parts.spare.use({ what, timeoutMs: SETUP_TIMEOUT_MS, run });
  }
}

export interface SetupParts {
  readonly resource: ResourceManager;
  readonly settings: MysqlSettings;
  readonly io: Io;
  readonly names: Names | undefined;
  readonly spare: SpareConnection<MysqlConnection>;
  /** Contact begins anew: no request from now on has a connection that lay idle. */
  renew(): void;
}

const SETUP_TIMEOUT_MS = 20_000;
