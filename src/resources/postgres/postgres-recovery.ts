import { answerOf } from '../../transactions/answer-of.ts';
import type {
  FenceAnswer,
  FinishAnswer,
  FinishRequest,
  FoundBranch,
  MarkerRow,
  ReadMarkersRequest,
  ResourceRecovery,
  SessionAnswer,
} from '../../transactions/resource-manager.ts';
import { formatTransactionId, parseBranchId } from '../../transactions/transaction-id.ts';
import type { SpareConnection } from '../shared/spare-connection.ts';
import { fenceAnswer, sqlState } from './answers.ts';
import { finishBranch } from './finish-branch.ts';
import { endPostgresSession } from './look-at-session.ts';
import type { PostgresConnection } from './postgres-connection.ts';
import type { PostgresTables } from './postgres-tables.ts';
import { PostgresWitness } from './postgres-witness.ts';

/**
 * Recovery's side of a PostgreSQL database, on a connection of its own. `scan`, the marker rows and the witness reject when
 * the database cannot be asked; `finish`, `fence` and `endSession` answer `again` then.
 */
export class PostgresRecovery implements ResourceRecovery {
  readonly witness: PostgresWitness;
  readonly #spare: SpareConnection<PostgresConnection>;
  readonly #tables: PostgresTables;

  constructor(spare: SpareConnection<PostgresConnection>, tables: PostgresTables) {
    this.#spare = spare;
    this.#tables = tables;
    this.witness = new PostgresWitness(<Result>(what: string, run: Run<Result>) => this.#use(what, run), tables);
  }

  /** The view shows all databases of the server; what another one prepared is that one's resource's. */
  async scan(): Promise<readonly FoundBranch[]> {
    const rows = await this.#use('scan', (connection) => connection.rows<ScanRow>(SCAN));
    return rows.map(({ gid, owner, age_ms }) => ({
      text: gid,
      id: parseBranchId(gid),
      ageMs: age_ms,
      owner,
      sql: { commit: `COMMIT PREPARED ${literal(gid)};`, rollback: `ROLLBACK PREPARED ${literal(gid)};` },
    }));
  }

  async finish(request: FinishRequest): Promise<FinishAnswer> {
    return this.#answered('finish', (connection) => finishBranch(request, { ask: (_, sql) => connection.run(sql) }));
  }

  /**
   * An insert that yields to a row that is there: where another session has inserted one and not yet ended, the server waits
   * for its end, or for the lock timeout, which is no answer.
   */
  async fence(transaction: string): Promise<FenceAnswer> {
    return this.#answered('fence', async (connection): Promise<FenceAnswer> => {
      const { marker } = this.#tables;
      const inserted = await connection.rows(
        `insert into ${marker} (id, outcome) values ($1, 'a') on conflict (id) do nothing returning id`,
        [transaction],
      );
      if (inserted.length === 1) return { kind: 'inserted' };
      const [row] = await connection.rows<OutcomeRow>(`select outcome from ${marker} where id = $1`, [transaction]);
      if (row === undefined) return { kind: 'again', answer: 'its row was deleted at the same moment' };
      return { kind: 'found', outcome: outcomeOf(row) };
    });
  }

  async endSession(session: string): Promise<SessionAnswer> {
    return this.#answered('end session', (connection) => endPostgresSession(connection, session));
  }

  async deleteMarkers(transactions: readonly string[]): Promise<void> {
    if (transactions.length === 0) return;
    await this.#use('delete markers', (connection) =>
      connection.rows(`delete from ${this.#tables.marker} where id = any($1::bpchar[])`, [transactions]),
    );
  }

  /** The alphabet of ids puts letters before digits, the database digits first; so epochs are compared after a translation. */
  async readMarkers(request: ReadMarkersRequest): Promise<readonly MarkerRow[]> {
    const { queueManager, generation, belowEpoch, afterId, countMax } = request;
    const first = formatTransactionId({ queueManager, generation, epoch: belowEpoch, sequence: 0 });
    const prefix = first.slice(0, EPOCH_AT);
    const values = [prefix, afterId ?? prefix, first.slice(EPOCH_AT, EPOCH_AT + EPOCH_LENGTH), countMax];
    const rows = await this.#use('read markers', (connection) =>
      connection.rows<MarkerTableRow>(
        `select id::text as id, outcome from ${this.#tables.marker}
          where id > $2 and id < $1 || '~'
            and ${inOrder(`substr(id, ${EPOCH_AT + 1}, ${EPOCH_LENGTH})`)} < ${inOrder('$3::text')}
          order by id limit $4`,
        values,
      ),
    );
    return rows.map((row) => ({ transaction: row.id, outcome: outcomeOf(row) }));
  }

  #use<Result>(what: string, run: Run<Result>): Promise<Result> {
    return this.#spare.use({ what, timeoutMs: REQUEST_MS, run });
  }

  /** What is not answered is asked again (R1). */
  async #answered<Known>(
    what: string,
    run: Run<Known>,
  ): Promise<Known | { readonly kind: 'again'; readonly answer: string }> {
    try {
      return await this.#use(what, run);
    } catch (error) {
      return {
        kind: 'again',
        answer: fenceAnswer(sqlState(error), answerOf(error)),
      };
    }
  }
}

type Run<Result> = (connection: PostgresConnection) => Promise<Result>;

/** A new connection included. */
const REQUEST_MS = 10_000;
const EPOCH_AT = 'P1.'.length + 26 + 1 + 8 + 1;
const EPOCH_LENGTH = 6;

const SCAN = `
  select gid, owner::text, (extract(epoch from pg_catalog.clock_timestamp() - prepared) * 1000)::float8 as age_ms
    from pg_catalog.pg_prepared_xacts where database = pg_catalog.current_database() order by prepared`;

interface ScanRow {
  readonly gid: string;
  readonly owner: string;
  readonly age_ms: number;
}

interface OutcomeRow {
  readonly outcome: string;
}

interface MarkerTableRow extends OutcomeRow {
  readonly id: string;
}

function outcomeOf({ outcome }: OutcomeRow): 'committed' | 'aborted' {
  return outcome === 'c' ? 'committed' : 'aborted';
}

function inOrder(expression: string): string {
  return `translate(${expression}, 'abcdefghijklmnopqrstuvwxyz234567', '0123456789abcdefghijklmnopqrstuv') collate "C"`;
}

/** Of anybody's making. */
function literal(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return doubled.includes('\\') ? `E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}
