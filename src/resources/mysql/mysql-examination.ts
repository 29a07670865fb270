import type { SslOptions } from 'mysql2';
import type { Io } from '../../io/io.ts';
import { connectLocally } from '../../io/local-socket.ts';
import type { Names } from '../../io/network.ts';
import { nodeNames } from '../../io/node-names.ts';
import { nodeNetwork } from '../../io/node-network.ts';
import { isPosthornError } from '../../message/posthorn-error.ts';
import type { ExamineRequest, ResourceManager } from '../../transactions/resource-manager.ts';
import { connectionProblem } from '../shared/connection-problem.ts';
import { Examination, failed, ok } from '../shared/examination.ts';
import { examineAddresses, examineSocketFile } from '../shared/examine-addresses.ts';
import { errorNumber } from './answers.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import { examineServer, SERVER_STEPS } from './mysql-examined-server.ts';
import type { MysqlSettings } from './mysql-options.ts';
import { openConnection } from './open-connection.ts';

/**
 * `posthorn doctor` for one database: name, addresses, TLS, login, then what the server is and allows, then real
 * transactions. It leaves nothing behind; a step that cannot be taken is told as skipped.
 */
export async function examineDatabase(parts: ExaminedParts, request: ExamineRequest): Promise<void> {
  const examination = new Examination({ clock: parts.io.clock, tell: (finding) => request.tell(finding) });
  const isReached = await reach(examination, parts);
  const connection = isReached ? await logIn(examination, parts) : undefined;
  if (connection === undefined) {
    for (const step of isReached ? SERVER_STEPS : ['tls', 'login', ...SERVER_STEPS]) {
      examination.skip(step, 'there is no connection');
    }
    return;
  }
  try {
    await examineServer(examination, { ...parts, connection, request });
  } finally {
    await connection.close();
  }
}

export interface ExaminedParts {
  readonly resource: ResourceManager;
  readonly settings: MysqlSettings;
  readonly io: Io;
  readonly names: Names | undefined;
}

const SERVER = 'MariaDB or MySQL';

function reach(examination: Examination, { settings, names = nodeNames() }: ExaminedParts): Promise<boolean> {
  const { host, port, socketPath } = settings.login;
  if (socketPath === undefined) {
    return examineAddresses(examination, { host, port, names, network: nodeNetwork(), server: SERVER });
  }
  const connect = async (): Promise<void> => (await connectLocally(socketPath)).destroy();
  return examineSocketFile(examination, { path: socketPath, server: SERVER, connect });
}

/** One connection tells both; where it stopped its error says. */
async function logIn(examination: Examination, parts: ExaminedParts): Promise<MysqlConnection | undefined> {
  const { settings, io, names, resource } = parts;
  const { login, where } = settings;
  let connection: MysqlConnection | undefined;
  let problem: unknown;
  try {
    connection = await openConnection({ resource: resource.name, where, login, io, names });
  } catch (error) {
    problem = isPosthornError(error, 'RESOURCE_UNAVAILABLE') && error.cause !== undefined ? error.cause : error;
  }
  if (!(await examineTls(examination, login.ssl, problem))) {
    examination.skip('login', 'there is no connection');
    return undefined;
  }
  await examination.step('login', async () =>
    connection === undefined
      ? failed(connectionProblem(problem), loginMend(problem, settings))
      : ok(`${connection.name.account} may use database '${login.database}'`),
  );
  return connection;
}

async function examineTls(examination: Examination, ssl: SslOptions | undefined, problem: unknown): Promise<boolean> {
  if (ssl === undefined) {
    examination.skip('tls', 'it is not asked for; what travels can be read on the way');
    return true;
  }
  return examination.step('tls', async () =>
    isTlsProblem(problem) ? failed(connectionProblem(problem), TLS_MEND) : ok('encrypted'),
  );
}

const TLS_MEND =
  "Correct 'ssl' of the resource: the authority (ca), or the name in the server's certificate; or switch TLS on at the server.";

function isTlsProblem(problem: unknown): boolean {
  if (problem === undefined || errorNumber(problem) !== undefined) return false;
  const code = problem instanceof Error && 'code' in problem ? String(problem.code) : '';
  return /SSL|TLS|CERT|ALTNAME|SIGNATURE|ISSUER/i.test(`${code} ${connectionProblem(problem)}`);
}

function loginMend(problem: unknown, { login: { user, database } }: MysqlSettings): string {
  if (isPosthornError(problem)) return problem.mend;
  return LOGIN_MENDS[errorNumber(problem) ?? 0]?.({ user, database }) ?? OTHER_LOGIN_MEND;
}

interface Wanted {
  readonly user: string;
  readonly database: string;
}

const LOGIN_MENDS: Readonly<Record<number, (wanted: Wanted) => string>> = {
  1040: () => "The server has no connection free: raise its 'max_connections', or close what nobody uses.",
  1044: ({ user, database }) => `Run on the server: GRANT ALL ON ${database}.* TO '${user}'@'%';`,
  1045: ({ user }) =>
    `Correct the password of '${user}', or let it log in from this machine: CREATE USER '${user}'@'%' …;`,
  1049: ({ database }) => `Correct the name of the database, or make it: CREATE DATABASE ${database};`,
  1130: ({ user }) => `Let '${user}' log in from this machine: CREATE USER '${user}'@'%' …;`,
};
const OTHER_LOGIN_MEND = `See whether it is ${SERVER} that listens on that port, and what its log says.`;
