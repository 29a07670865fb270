import type { Timers } from '../../io/io.ts';
import type { SessionAnswer } from '../../transactions/resource-manager.ts';
import type { SessionSight } from '../shared/session-watch.ts';
import { errorNumber, NO_SUCH_THREAD } from './answers.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import { parseSessionName, type SessionName } from './session-name.ts';

/**
 * Ends a session that may still hold a branch, or commit it late, and tells whether it is gone.
 *
 * `gone` is said only of what is proven: the server has started since, or its list of all sessions of that account does not
 * have it. A session that is killed stays in the list until it has stopped doing anything.
 */
export async function endSession(connection: MysqlConnection, session: string, timers: Timers): Promise<SessionAnswer> {
  const name = parseSessionName(session);
  if (name === undefined) return { kind: 'again', answer: `'${session}' does not name a session of this server` };
  if (name.serverStart !== connection.name.serverStart) return { kind: 'gone' };
  if (!(await canSee(connection, name))) {
    const answer = `the session belongs to ${name.account}; ${connection.name.account} cannot see it without the right PROCESS`;
    return { kind: 'again', answer };
  }
  let found = await findSession(connection, name);
  if (found === undefined) return { kind: 'gone' };
  try {
    await connection.ask(`kill ${name.id}`);
  } catch (error) {
    if (errorNumber(error) !== NO_SUCH_THREAD) throw error;
  }
  for (let look = 0; look < LOOKS_MAX; look++) {
    found = await findSession(connection, name);
    if (found === undefined) return { kind: 'gone' };
    await new Promise<void>((resolve) => void timers.after(LOOK_PAUSE_MS, resolve, { keepsProcessAlive: true }));
  }
  return { kind: 'alive', sentence: sentenceOf(name, found) };
}

/** For the second look at a statement without an answer. @throws when it cannot be told */
export async function seeSession(connection: MysqlConnection, session: string): Promise<SessionSight> {
  const name = parseSessionName(session);
  if (name === undefined || name.serverStart !== connection.name.serverStart) return 'absent';
  if (!(await canSee(connection, name))) return 'running';
  const found = await findSession(connection, name);
  if (found === undefined) return 'absent';
  return found.command === 'Sleep' ? 'idle' : 'running';
}

/** A login with many rights sees those of others here as well. */
const PROCESS_RIGHT = `select 1 from information_schema.user_privileges where privilege_type = 'PROCESS'
  and grantee = concat('''', replace(current_user(), '@', '''@'''), '''')`;
const LOOKS_MAX = 20;
const LOOK_PAUSE_MS = 50;

interface FoundSession {
  readonly command: string;
  readonly seconds: number;
}

async function findSession(connection: MysqlConnection, { id, host }: SessionName): Promise<FoundSession | undefined> {
  const [row] = await connection.ask(
    'select command as command, time as time from information_schema.processlist where id = ? and host = ?',
    [id, host],
  );
  return row && { command: String(row.command), seconds: Number(row.time) };
}

async function canSee(connection: MysqlConnection, { account }: SessionName): Promise<boolean> {
  if (connection.name.account === account) return true;
  const rows = await connection.ask(PROCESS_RIGHT);
  return rows.length > 0;
}

function sentenceOf({ id }: SessionName, { command, seconds }: FoundSession): string {
  const time = new Date(seconds * 1000).toISOString().slice(11, 19);
  return `Branch is held by connection ${id} (${command.toLowerCase()} ${time}) on that server; it was told to end, and ends when it has stopped; KILL ${id} does it by hand.`;
}
