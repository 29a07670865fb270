import { connectLocally } from '../../io/local-socket.ts';
import { nodeIo } from '../../io/node-io.ts';
import { nodeNames } from '../../io/node-names.ts';
import { nodeNetwork } from '../../io/node-network.ts';
import { isPosthornError } from '../../message/posthorn-error.ts';
import type { ExamineRequest } from '../../transactions/resource-manager.ts';
import { connectionProblem } from '../shared/connection-problem.ts';
import { Examination, failed, ok, type StepResult } from '../shared/examination.ts';
import { examineAddresses, examineSocketFile } from '../shared/examine-addresses.ts';
import { sqlState } from './answers.ts';
import { examineServer } from './examine-server.ts';
import { openPostgres, type PostgresConnection } from './postgres-connection.ts';
import type { PostgresSettings } from './postgres-options.ts';
import { probeTransactions } from './probe-transactions.ts';

/**
 * `posthorn doctor` for one PostgreSQL database: name, addresses, TLS, login, then what the server is and allows, then real
 * transactions. It leaves nothing behind; a step that cannot be taken is told as skipped.
 */
export async function examinePostgres(request: ExamineRequest, settings: PostgresSettings): Promise<void> {
  const examination = new Examination({ clock: nodeIo().clock, tell: (finding) => request.tell(finding) });
  const isReached = await reach(examination, settings);
  const connections: PostgresConnection[] = [];
  try {
    const isLoggedIn = isReached && (await logIn(examination, settings, connections));
    const [first, second] = connections;
    if (!isLoggedIn || first === undefined || second === undefined) {
      for (const step of isReached ? LATER : ['tls', 'login', ...LATER])
        examination.skip(step, 'there is no connection');
      return;
    }
    const canPrepare = await examineServer(examination, first, request);
    await probeTransactions(examination, { first, second, canPrepare });
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
}

const LATER = [
  'version',
  'prepared transactions',
  "Posthorn's tables",
  'tables',
  'durability',
  'clock',
  'write and commit',
  'prepare and roll back',
  'prepare and commit',
];

const SERVER = 'PostgreSQL';
const STATEMENT_MS = 5000;
const LOCK_MS = 2000;

function reach(examination: Examination, { target, names = nodeNames() }: PostgresSettings): Promise<boolean> {
  const { host, port } = target;
  if (!host.startsWith('/'))
    return examineAddresses(examination, { host, port, names, network: nodeNetwork(), server: SERVER });
  const path = `${host}/.s.PGSQL.${port}`;
  const connect = async (): Promise<void> => (await connectLocally(path)).destroy();
  return examineSocketFile(examination, { path, server: SERVER, connect });
}

/** Two connections: what one has prepared the other is to finish, as recovery does. */
async function logIn(
  examination: Examination,
  settings: PostgresSettings,
  connections: PostgresConnection[],
): Promise<boolean> {
  let problem: unknown;
  const startedMs = nodeIo().clock.monotonicNowMs();
  try {
    for (const _ of ['first', 'second'])
      connections.push(await openPostgres({ settings, statementTimeoutMs: STATEMENT_MS, lockTimeoutMs: LOCK_MS }));
  } catch (error) {
    problem = error;
  }
  const isTlsProblem = problem !== undefined && settings.usesTls && TLS_PROBLEM.test(textOf(problem));
  if (!settings.usesTls) examination.skip('tls', 'it is not asked for; what travels can be read on the way');
  else
    await examination.step('tls', async () =>
      isTlsProblem
        ? failed(
            textOf(problem),
            "Correct 'ssl' of the resource: the authority (ca), or the name in the server's certificate.",
          )
        : ok('encrypted'),
    );
  if (isTlsProblem) {
    examination.skip('login', 'there is no connection');
    return false;
  }
  const { user, database } = settings.target;
  const tookMs = Math.round(nodeIo().clock.monotonicNowMs() - startedMs);
  return examination.step('login', async () =>
    problem === undefined
      ? ok(`'${user}' may use database '${database}' (two connections in ${tookMs} ms)`)
      : loginFailed(problem, settings),
  );
}

const TLS_PROBLEM = /SSL|TLS|certificate|altname|self.signed|verify/i;

function loginFailed(error: unknown, { target }: PostgresSettings): StepResult {
  if (isPosthornError(error, 'DRIVER_MISSING')) return failed(error.message, error.mend);
  const cause = error instanceof Error ? error.cause : undefined;
  return failed(textOf(error), LOGIN_MENDS[sqlState(cause) ?? '']?.(target) ?? OTHER_LOGIN_MEND);
}

type Target = PostgresSettings['target'];

const LOGIN_MENDS: Readonly<Record<string, (target: Target) => string>> = {
  '28P01': ({ user }) =>
    `Correct the password of '${user}' in the resource, or on the server: alter role "${user}" password '…';`,
  '28000': ({ user, database }) =>
    `Let pg_hba.conf on the server allow '${user}' to reach '${database}' from this machine.`,
  '3D000': ({ database }) => `Correct the name of the database, or make it: create database "${database}";`,
  '42501': ({ user, database }) => `Run on the server: grant connect on database "${database}" to "${user}";`,
  '53300': () => "The server has no connection free: raise its 'max_connections', or close what nobody uses.",
  '57P03': () => 'The server is starting or stopping: try again in a moment.',
};
const OTHER_LOGIN_MEND = 'See whether it is PostgreSQL that listens on that port, and what its log says.';

function textOf(error: unknown): string {
  return connectionProblem(error instanceof Error && error.cause !== undefined ? error.cause : error);
}
