import type { Connection as DriverConnection } from 'mysql2';
import type { Io } from '../../io/io.ts';
import { NamedSocket } from '../../io/named-socket.ts';
import type { Names } from '../../io/network.ts';
import { ResourceUnavailable } from '../../transactions/errors.ts';
import { connectionProblem } from '../shared/connection-problem.ts';
import { within } from '../shared/deadline.ts';
import { loadDriver } from '../shared/load-driver.ts';
import { type Answer, MysqlConnection } from './mysql-connection.ts';
import type { MysqlLogin } from './mysql-options.ts';
import { readServerVersion, type ServerVersion } from './server-version.ts';

/**
 * Opens a session: resolves the name afresh, connects, logs in, and asks the server what it is and since when.
 *
 * @throws {PosthornError} RESOURCE_UNAVAILABLE with what the server or the network said, DRIVER_MISSING
 */
export async function openConnection(opening: Opening): Promise<MysqlConnection> {
  const { resource, login, io } = opening;
  const { createConnection } = await loadDriver({ resource, packageName: 'mysql2' }, () => import('mysql2'));
  const password = typeof login.password === 'function' ? await login.password() : login.password;
  const socket = new NamedSocket({
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    ...(opening.names && { names: opening.names }),
  });
  if (login.socketPath === undefined) socket.connect(login.port, login.host);
  else socket.connect(login.socketPath);
  const driver = createConnection({
    host: login.host,
    user: login.user,
    database: login.database,
    ...(password !== undefined && { password }),
    ...(login.ssl !== undefined && { ssl: login.ssl }),
    stream: socket,
    // Its timer would not be ours; the deadline below holds for connecting and everything after it.
    connectTimeout: 0,
    multipleStatements: false,
  });
  driver.on('error', () => undefined);
  try {
    const timeoutMs = CONNECT_TIMEOUT_MS + LOGIN_TIMEOUT_MS;
    const tooLate = (): Error => new ResourceUnavailable(resource, opening.where, `no login within ${timeoutMs} ms`);
    return await within(logIn(opening, driver, socket), { timers: io.timers, timeoutMs, tooLate });
  } catch (error) {
    socket.destroy();
    if (error instanceof ResourceUnavailable) throw error;
    throw new ResourceUnavailable(resource, opening.where, connectionProblem(error), { cause: error });
  }
}

export interface Opening {
  readonly resource: string;
  readonly where: string;
  readonly login: MysqlLogin;
  readonly io: Io;
  /** Default: files and name servers of this machine. */
  readonly names?: Names | undefined;
}

const CONNECT_TIMEOUT_MS = 5000;
const LOGIN_TIMEOUT_MS = 5000;

/**
 * One statement, so that both readings of the clock are the same (see session-name.ts). A clock that was set back to before the
 * server's start makes Uptime a huge number, of which the cast makes the negative one that it is (measured).
 */
const START = 'cast(unix_timestamp() as signed) - cast(cast(variable_value as unsigned) as signed)';
const HOST = '(select host from information_schema.processlist where id = connection_id())';
const SESSION = `select connection_id() as id, current_user() as account, ${START} as start, ${HOST} as host`;
const UPTIME_TABLES = { mariadb: 'information_schema.global_status', mysql: 'performance_schema.global_status' };

async function logIn(
  { resource, io }: Opening,
  driver: DriverConnection,
  socket: NamedSocket,
): Promise<MysqlConnection> {
  await new Promise<void>((resolve, reject) => {
    driver.connect((error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
  const version = await askVersion(driver);
  const from = `from ${UPTIME_TABLES[version.flavor]} where variable_name = 'UPTIME'`;
  const [row] = await ask(driver, `${SESSION} ${from}`);
  const name = {
    id: Number(row?.id),
    serverStart: Number(row?.start),
    account: String(row?.account),
    host: String(row?.host),
  };
  return new MysqlConnection({ resource, driver, socket, name, version, timers: io.timers });
}

async function askVersion(driver: DriverConnection): Promise<ServerVersion> {
  const [row] = await ask(driver, 'select version() as version');
  return readServerVersion(String(row?.version));
}

function ask(driver: DriverConnection, sql: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    driver.query(sql, (error, rows) => (error === null ? resolve(rows as unknown as Answer) : reject(error)));
  });
}
