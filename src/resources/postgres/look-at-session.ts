import { nodeIo } from '../../io/node-io.ts';
import type { SessionAnswer } from '../../transactions/resource-manager.ts';
import type { SessionSight } from '../shared/session-watch.ts';
import { sqlState } from './answers.ts';
import type { PostgresConnection } from './postgres-connection.ts';
import { parseSession } from './session-name.ts';

/** What the server says that a session is doing; `running` also when it does not tell this login. */
export async function lookAtSession(connection: PostgresConnection, session: string): Promise<SessionSight> {
  const found = await findSession(connection, session);
  if (found === 'gone') return 'absent';
  return found !== 'hidden' && found.state.startsWith('idle') ? 'idle' : 'running';
}

/** Ends a session that is there. `gone` only when the server does not show it any more. */
export async function endPostgresSession(connection: PostgresConnection, session: string): Promise<SessionAnswer> {
  const parsed = parseSession(session);
  if (parsed === undefined) return { kind: 'alive', sentence: `'${session}' does not name a session of PostgreSQL.` };
  for (let look = 0; look < LOOKS; look++) {
    const found = await findSession(connection, session);
    if (found === 'gone') return { kind: 'gone' };
    if (found === 'hidden') return { kind: 'alive', sentence: hiddenSentence(parsed.pid) };
    try {
      await connection.rows('select pg_catalog.pg_terminate_backend($1)', [parsed.pid]);
    } catch (error) {
      if (sqlState(error) === '42501') return { kind: 'alive', sentence: forbiddenSentence(parsed.pid, found.user) };
      throw error;
    }
    await pause(LOOK_EVERY_MS);
  }
  return { kind: 'again', answer: `process ${parsed.pid} was told to end, and has not yet` };
}

const LOOKS = 30;
const LOOK_EVERY_MS = 50;

interface FoundSession {
  readonly state: string;
  readonly user: string;
}

/** `hidden`: a process of that number is there, and this login may not see when it began. */
async function findSession(connection: PostgresConnection, session: string): Promise<FoundSession | 'gone' | 'hidden'> {
  const parsed = parseSession(session);
  if (parsed === undefined) return 'hidden';
  const [row] = await connection.rows<SessionRow>(FIND, [parsed.pid]);
  if (row === undefined) return 'gone';
  if (row.started === null) return 'hidden';
  if (row.started !== parsed.startedMicroseconds) return 'gone';
  return { state: row.state ?? 'unknown', user: row.usename ?? 'another user' };
}

interface SessionRow {
  readonly started: string | null;
  readonly state: string | null;
  readonly usename: string | null;
}

const FIND = `
  select (extract(epoch from backend_start) * 1000000)::bigint::text as started, state, usename
    from pg_catalog.pg_stat_activity where pid = $1`;

function hiddenSentence(pid: number): string {
  return `Process ${pid} is there, and this login may not see whose session it is: grant it pg_read_all_stats, or log in as before.`;
}

function forbiddenSentence(pid: number, user: string): string {
  return `Process ${pid} belongs to '${user}', and this login may not end it: grant it pg_signal_backend, or end it by hand.`;
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    nodeIo().timers.after(delayMs, resolve, { keepsProcessAlive: true });
  });
}
