import type { ResourceWitness, Witness, WitnessAnswer } from '../../transactions/resource-manager.ts';
import type { SpareConnection } from '../shared/spare-connection.ts';
import { DUPLICATE_KEY, errorNumber } from './answers.ts';
import type { Answer, MysqlConnection } from './mysql-connection.ts';

/** The witness row. Each step is one statement that commits by itself, so that two who raise at once see each other. */
export class MysqlWitness implements ResourceWitness {
  readonly #spare: SpareConnection<MysqlConnection>;
  /** Of the witness table, with its database. */
  readonly #table: string;

  constructor(spare: SpareConnection<MysqlConnection>, table: string) {
    this.#spare = spare;
    this.#table = table;
  }

  raise(wanted: Witness): Promise<WitnessAnswer> {
    return this.#use('witness', async (connection) => {
      for (;;) {
        if (await insertWitness(connection, this.#table, wanted)) return { kind: 'raised' };
        if (await updateWitness(connection, this.#table, wanted)) return { kind: 'raised' };
        const found = await readWitness(connection, this.#table, wanted.queueManager);
        // Deleted between the two statements: it is as if it had never been there.
        if (found !== undefined) return { kind: 'refused', found };
      }
    });
  }

  read(queueManager: string): Promise<Witness | undefined> {
    return this.#use('witness', (connection) => readWitness(connection, this.#table, queueManager));
  }

  async replace(wanted: Witness): Promise<void> {
    const { queueManager, generation, epoch, opening } = wanted;
    await this.#use('witness', (connection) =>
      connection.ask(`replace into ${this.#table} (queue_manager, generation, epoch, opening) values (?, ?, ?, ?)`, [
        queueManager,
        generation,
        epoch,
        opening,
      ]),
    );
  }

  #use<Result>(what: string, run: (connection: MysqlConnection) => Promise<Result>): Promise<Result> {
    return this.#spare.use({ what, timeoutMs: WITNESS_TIMEOUT_MS, run });
  }
}

const WITNESS_TIMEOUT_MS = 10_000;

async function insertWitness(connection: MysqlConnection, table: string, wanted: Witness): Promise<boolean> {
  const { queueManager, generation, epoch, opening } = wanted;
  try {
    await connection.ask(`insert into ${table} (queue_manager, generation, epoch, opening) values (?, ?, ?, ?)`, [
      queueManager,
      generation,
      epoch,
      opening,
    ]);
    return true;
  } catch (error) {
    if (errorNumber(error) === DUPLICATE_KEY) return false;
    throw error;
  }
}

/** The driver counts the rows that were found, so that the very same row counts as well. */
async function updateWitness(connection: MysqlConnection, table: string, wanted: Witness): Promise<boolean> {
  const { queueManager, generation, epoch, opening } = wanted;
  const answer: Answer = await connection.ask(
    `update ${table} set epoch = ?, opening = ?, raised_at = current_timestamp(6)
     where queue_manager = ? and generation = ? and (epoch < ? or (epoch = ? and opening = ?))`,
    [epoch, opening, queueManager, generation, epoch, epoch, opening],
  );
  return answer.affectedRows === 1;
}

async function readWitness(
  connection: MysqlConnection,
  table: string,
  queueManager: string,
): Promise<Witness | undefined> {
  const [row] = await connection.ask(`select generation, epoch, opening from ${table} where queue_manager = ?`, [
    queueManager,
  ]);
  if (row === undefined) return undefined;
  return {
    queueManager,
    generation: String(row.generation),
    epoch: Number(row.epoch),
    opening: String(row.opening),
  };
}
