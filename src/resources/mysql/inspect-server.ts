import type { Obstacle, ResourceInspection } from '../../transactions/resource-manager.ts';
import { MARKER_TABLE, WITNESS_TABLE } from '../shared/table-names.ts';
import { errorNumber } from './answers.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import { isTransactional, readTableEngines } from './mysql-tables.ts';
import { keepsPreparedBranches, type ServerVersion } from './server-version.ts';

/** What the server is, and what of it stands against transactions: with the setting to change. */
export async function inspectServer(connection: MysqlConnection): Promise<ResourceInspection> {
  const markerObstacle = await findMarkerObstacle(connection);
  return {
    server: connection.version.text,
    markerObstacle,
    twoPhaseObstacle: markerObstacle ?? (await findTwoPhaseObstacle(connection)),
    // InnoDB keeps as many as it has room for undo.
    preparedMax: undefined,
  };
}

/** Every branch runs under XA, the single one too: what stands against that stands against both protocols. */
async function findMarkerObstacle(connection: MysqlConnection): Promise<Obstacle | undefined> {
  return (
    versionObstacle(connection.version) ??
    (await findGalera(connection)) ??
    (await findReadOnly(connection)) ??
    (await findWrongEngine(connection))
  );
}

export function versionObstacle(version: ServerVersion): Obstacle | undefined {
  if (keepsPreparedBranches(version)) return undefined;
  return {
    what: `it is ${version.text}, which rolls back prepared branches when their connection ends`,
    mend: 'Use MariaDB 10.5 or newer, or MySQL 8 or newer.',
  };
}

async function findGalera(connection: MysqlConnection): Promise<Obstacle | undefined> {
  if (!isOn(await readVariable(connection, 'wsrep_on'))) return undefined;
  return {
    what: 'it is a Galera cluster (wsrep_on = ON), which supports no XA transactions',
    mend: 'Use a server of its own (wsrep_on = OFF), with replicas instead of a cluster.',
  };
}

async function findReadOnly(connection: MysqlConnection): Promise<Obstacle | undefined> {
  if (!isOn(await readVariable(connection, 'read_only'))) return undefined;
  return {
    what: 'it takes no writes (read_only = ON), as replicas do',
    mend: 'Name the primary server, or run there: SET GLOBAL read_only = OFF.',
  };
}

async function findWrongEngine(connection: MysqlConnection): Promise<Obstacle | undefined> {
  const engines = await readTableEngines(connection, [MARKER_TABLE, WITNESS_TABLE]);
  const wrong = engines.find(({ engine }) => !isTransactional(engine));
  if (wrong === undefined) return undefined;
  return {
    what: `table ${wrong.name} is kept by the engine ${wrong.engine}, which undoes nothing`,
    mend: `Run: ALTER TABLE ${wrong.name} ENGINE = InnoDB;`,
  };
}

/** Recovery has to find its branches, and to finish what another session prepared. */
async function findTwoPhaseObstacle(connection: MysqlConnection): Promise<Obstacle | undefined> {
  try {
    await connection.ask('xa recover');
    return undefined;
  } catch (error) {
    if (errorNumber(error) === undefined) throw error;
    const { account, flavor } = { account: connection.name.account, flavor: connection.version.flavor };
    const grant = `GRANT XA_RECOVER_ADMIN ON *.* TO ${quoteAccount(account)};`;
    return {
      what: `its login ${account} may not list prepared branches (${error instanceof Error ? error.message : ''})`,
      mend: flavor === 'mysql' ? `Run there: ${grant}` : 'Let the login run XA RECOVER.',
    };
  }
}

async function readVariable(connection: MysqlConnection, name: string): Promise<string | undefined> {
  const [row] = await connection.ask('show global variables like ?', [name]);
  return row === undefined ? undefined : String(row.Value);
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && /^(on|1|super|no_lock.*)$/i.test(value);
}

/** `app@%` as it stands in a GRANT. */
export function quoteAccount(account: string): string {
  const at = account.lastIndexOf('@');
  return `'${account.slice(0, at)}'@'${account.slice(at + 1)}'`;
}
