import type { Timers } from '../../io/io.ts';
import type {
  FenceAnswer,
  FinishAnswer,
  FinishRequest,
  FoundBranch,
  MarkerRow,
  ReadMarkersRequest,
  ResourceRecovery,
  ResourceWitness,
  SessionAnswer,
} from '../../transactions/resource-manager.ts';
import { type BranchId, parseTransactionId } from '../../transactions/transaction-id.ts';
import type { SpareConnection } from '../shared/spare-connection.ts';
import { describeAnswer, judgeAbsent, judgeFence, judgeFinish } from './answers.ts';
import { endSession } from './end-session.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import type { MysqlTables } from './mysql-tables.ts';
import { MysqlWitness } from './mysql-witness.ts';
import { isSameBranch, type RecoverRow, readRecoverRow, xidLiteral } from './xid.ts';

/**
 * Recovery's side of a MariaDB or MySQL database, on a connection of its own with autocommit, read committed and a short lock
 * timeout (see mysql-resource-manager.ts).
 *
 * A branch that another session prepared is 'unknown' (1397) as long as that session is connected, although XA RECOVER lists
 * it (finding F2). So 'unknown' is never an outcome:
 *
 *     XA COMMIT ── OK ──▶ done
 *        └── 1397 ──▶ XA RECOVER ── listed ──▶ end the session that prepared it ── gone ──▶ XA COMMIT once more
 *                        │                        └── alive, no answer, unknown ──▶ again
 *                        └── absent ──▶ done when an attempt of ours may have landed, else a hazard
 */
export class MysqlRecovery implements ResourceRecovery {
  readonly witness: ResourceWitness;
  readonly #spare: SpareConnection<MysqlConnection>;
  readonly #timers: Timers;
  /** Of the marker table, with its database. */
  readonly #table: string;

  constructor(parts: RecoveryParts) {
    this.#spare = parts.spare;
    this.#timers = parts.timers;
    this.#table = parts.tables.marker;
    this.witness = new MysqlWitness(parts.spare, parts.tables.witness);
  }

  scan(): Promise<readonly FoundBranch[]> {
    return this.#use('scan', (connection) => scanBranches(connection));
  }

  async finish(request: FinishRequest): Promise<FinishAnswer> {
    try {
      return await this.#use('finish', (connection) => this.#finish(connection, request));
    } catch (error) {
      return { kind: 'again', answer: describeAnswer(error) };
    }
  }

  async fence(transaction: string): Promise<FenceAnswer> {
    try {
      return await this.#use('fence', (connection) => fenceOn(connection, this.#table, transaction));
    } catch (error) {
      return { kind: 'again', answer: describeAnswer(error) };
    }
  }

  async endSession(session: string): Promise<SessionAnswer> {
    try {
      return await this.#use('end session', (connection) => endSession(connection, session, this.#timers));
    } catch (error) {
      return { kind: 'again', answer: describeAnswer(error) };
    }
  }

  async deleteMarkers(transactions: readonly string[]): Promise<void> {
    for (let first = 0; first < transactions.length; first += MARKERS_AT_A_TIME) {
      const ids = transactions.slice(first, first + MARKERS_AT_A_TIME);
      await this.#use('delete markers', (connection) =>
        connection.ask(`delete from ${this.#table} where id in (?)`, [ids]),
      );
    }
  }

  readMarkers(request: ReadMarkersRequest): Promise<readonly MarkerRow[]> {
    return this.#use('read markers', (connection) => readMarkersOn(connection, this.#table, request));
  }

  async #finish(connection: MysqlConnection, request: FinishRequest): Promise<FinishAnswer> {
    const first = await tryFinish(connection, request);
    if (first !== 'look') return first;
    const listed = await scanBranches(connection);
    if (!listed.some(({ id }) => isSameBranch(request.id, id))) return absent(request);
    const session = request.evidence?.session;
    if (session === undefined) return { kind: 'again', answer: UNKNOWN_ANSWER, sentence: HELD_BY_SOMEBODY };
    const answer = await endSession(connection, session, this.#timers);
    if (answer.kind === 'alive') return { kind: 'again', answer: UNKNOWN_ANSWER, sentence: answer.sentence };
    if (answer.kind === 'again') return { kind: 'again', answer: answer.answer, sentence: HELD_BY_SOMEBODY };
    const second = await tryFinish(connection, request);
    // The server hands the branch over a moment after the session has left its list.
    return second === 'look' ? { kind: 'again', answer: UNKNOWN_ANSWER, sentence: HELD_BY_SOMEBODY } : second;
  }

  #use<Result>(what: string, run: (connection: MysqlConnection) => Promise<Result>): Promise<Result> {
    return this.#spare.use({ what, timeoutMs: RECOVERY_TIMEOUT_MS, run });
  }
}

export interface RecoveryParts {
  readonly spare: SpareConnection<MysqlConnection>;
  readonly timers: Timers;
  readonly tables: MysqlTables;
}

const RECOVERY_TIMEOUT_MS = 10_000;
const MARKERS_AT_A_TIME = 500;
const UNKNOWN_ANSWER = '1397 ER_XAER_NOTA, and XA RECOVER lists it';
const HELD_BY_SOMEBODY =
  'The branch is held by the connection that prepared it, which is still there; locks are held until it ends.';

async function scanBranches(connection: MysqlConnection): Promise<readonly FoundBranch[]> {
  const rows = await connection.ask('xa recover');
  return rows.map((row) => readRecoverRow(row as unknown as RecoverRow));
}

async function tryFinish(connection: MysqlConnection, request: FinishRequest): Promise<FinishAnswer | 'look'> {
  const { direction } = request;
  try {
    await connection.ask(finishStatement(request));
    return { kind: 'done', proof: `XA ${direction.toUpperCase()} was answered OK` };
  } catch (error) {
    const answer = describeAnswer(error);
    const judgement = judgeFinish(error, direction);
    switch (judgement) {
      case 'look':
        return 'look';
      case 'done':
        return { kind: 'done', proof: answer };
      case 'heuristicRollback':
        return { kind: 'heuristic', outcome: 'rolledBack', answer };
      case 'again':
        throw error;
      default:
        return judgement satisfies never;
    }
  }
}

function finishStatement({ id, direction }: { readonly id: BranchId; readonly direction: string }): string {
  return `xa ${direction} ${xidLiteral(id)}`;
}

function absent({ direction, mayHaveFinished }: FinishRequest): FinishAnswer {
  const judgement = judgeAbsent(direction, mayHaveFinished);
  if (judgement.kind === 'done') return judgement;
  return { kind: 'heuristic', outcome: 'hazard', answer: '1397 ER_XAER_NOTA, and XA RECOVER does not list it' };
}

async function fenceOn(connection: MysqlConnection, table: string, transaction: string): Promise<FenceAnswer> {
  try {
    await connection.ask(`insert into ${table} (id, outcome) values (?, 'a')`, [transaction]);
    return { kind: 'inserted' };
  } catch (error) {
    if (judgeFence(error) === 'again') throw error;
  }
  const [row] = await connection.ask(`select outcome from ${table} where id = ?`, [transaction]);
  if (row?.outcome === 'c') return { kind: 'found', outcome: 'committed' };
  if (row?.outcome === 'a') return { kind: 'found', outcome: 'aborted' };
  return { kind: 'again', answer: `the marker row ${row === undefined ? 'was gone again' : 'has no outcome'}` };
}

/** Epochs are compared here: the order of our alphabet is not the order of its characters in any collation. */
async function readMarkersOn(
  connection: MysqlConnection,
  table: string,
  request: ReadMarkersRequest,
): Promise<readonly MarkerRow[]> {
  const { queueManager, generation, belowEpoch, countMax } = request;
  const prefix = `P1.${queueManager}.${generation}.`;
  const found: MarkerRow[] = [];
  let afterId = request.afterId ?? prefix;
  for (;;) {
    const rows = await connection.ask(`select id, outcome from ${table} where id > ? and id < ? order by id limit ?`, [
      afterId,
      `${prefix}~`,
      MARKERS_AT_A_TIME,
    ]);
    for (const row of rows) {
      const id = String(row.id);
      const epoch = parseTransactionId(id)?.epoch;
      if (epoch === undefined || epoch >= belowEpoch) continue;
      found.push({ transaction: id, outcome: row.outcome === 'c' ? 'committed' : 'aborted' });
      if (found.length === countMax) return found;
    }
    if (rows.length < MARKERS_AT_A_TIME) return found;
    afterId = String(rows.at(-1)?.id);
  }
}
