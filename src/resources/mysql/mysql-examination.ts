import type { Io } from '../../io/io.ts';
import type { Names } from '../../io/network.ts';
import { nodeNames } from '../../io/node-names.ts';
import { nodeNetwork } from '../../io/node-network.ts';
import { isPosthornError } from '../../message/posthorn-error.ts';
import type { ExamineRequest, ResourceManager } from '../../transactions/resource-manager.ts';
import { connectionProblem } from '../shared/connection-problem.ts';
import { Examination, failed, ok, type StepResult } from '../shared/examination.ts';
import { examineAddresses } from '../shared/examine-addresses.ts';
import { errorNumber } from './answers.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import { examineServer, SERVER_STEPS } from './mysql-examined-server.ts';
import type { MysqlSettings } from './mysql-options.ts';
import { openConnection } from './open-connection.ts';

/** The database part of `posthorn doctor`: from the name to a real prepare and commit. */
export async function examineDatabase(parts: ExaminedParts, request: ExamineRequest): Promise<void> {
  const examination = new Examination({ clock: parts.io.clock, tell: (finding) => request.tell(finding) });
  const { login, where } = parts.settings;
  const isReached =
    login.socketPath === undefined
      ? await examineAddresses(examination, {
          host: login.host,
          port: login.port,
          names: parts.names ?? nodeNames(),
          network: nodeNetwork(),
          server: 'MariaDB or MySQL',
        })
      : await examination.step('connect', async () => ok(`by the socket file ${login.socketPath}`));
  if (!isReached) return skipAll(examination, LOGIN_STEPS, `nothing answers at ${where}`);
  const connection = await logIn(examination, parts);
  if (connection === undefined) return skipAll(examination, SERVER_STEPS, `there was no login at ${where}`);
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

const LOGIN_STEPS = ['server', 'TLS', 'login'] as const;
type LoginStep = (typeof LOGIN_STEPS)[number];

/** One connection tells all three; the error says at which it stopped. */
async function logIn(examination: Examination, parts: ExaminedParts): Promise<MysqlConnection | undefined> {
  const { settings, io, names, resource } = parts;
  const opened = await openConnection({
    resource: resource.name,
    where: settings.where,
    login: settings.login,
    io,
    names,
  })
    .then((connection) => ({ connection }))
    .catch((error: unknown) => ({ error }));
  const connection = 'connection' in opened ? opened.connection : undefined;
  const stoppedAt = 'error' in opened ? stepOf(opened.error) : undefined;
  let isBehind = false;
  for (const step of LOGIN_STEPS) {
    if (isBehind) examination.skip(step, 'the step before it failed');
    else if (step === stoppedAt && 'error' in opened) {
      isBehind = true;
      await examination.step(step, async () => failed(connectionProblem(opened.error), mendOf(step, settings)));
    } else await examination.step(step, async () => passed(step, settings, connection));
  }
  return connection;
}

function passed(step: LoginStep, { login }: MysqlSettings, connection: MysqlConnection | undefined): StepResult {
  switch (step) {
    case 'server':
      return ok(`it answers as ${connection?.version.text ?? 'a server of the MySQL family'}`);
    case 'TLS':
      if (login.ssl === undefined)
        return { outcome: 'skipped', text: "the resource does not ask for it (option 'ssl')" };
      return ok('the connection is encrypted, and the certificate was accepted');
    case 'login':
      return ok(`${connection?.name.account ?? login.user} may use ${login.database}`);
    default:
      return step satisfies never;
  }
}

function stepOf(error: unknown): LoginStep {
  const cause = isPosthornError(error, 'RESOURCE_UNAVAILABLE') ? error.cause : error;
  if (errorNumber(cause) !== undefined) return 'login';
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return /SSL|TLS|CERT|HANDSHAKE_NO_SSL|SELF_SIGNED|UNABLE_TO|ERR_OSSL/.test(code) ? 'TLS' : 'server';
}

function mendOf(step: LoginStep, { login }: MysqlSettings): string {
  switch (step) {
    case 'server':
      return `See whether port ${login.port} is the one of MariaDB or MySQL: something else seems to answer there.`;
    case 'TLS':
      return "Give the server's authority as ssl: { ca }, switch TLS on at the server, or correct the name in its certificate.";
    case 'login':
      return `Correct user, password or database, or run there: GRANT ALL ON ${login.database}.* TO '${login.user}'@'%';`;
    default:
      return step satisfies never;
  }
}

function skipAll(examination: Examination, steps: readonly string[], why: string): void {
  const all = steps === LOGIN_STEPS ? [...LOGIN_STEPS, ...SERVER_STEPS] : steps;
  for (const step of all) examination.skip(step, why);
}
