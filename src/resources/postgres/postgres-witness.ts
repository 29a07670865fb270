import type { ResourceWitness, Witness, WitnessAnswer } from '../../transactions/resource-manager.ts';
import type { PostgresConnection } from './postgres-connection.ts';
import type { PostgresTables } from './postgres-tables.ts';

/** The witness row of each queue manager (DESIGN decision 7). Every call rejects when the database cannot be asked. */
export class PostgresWitness implements ResourceWitness {
  readonly #use: Use;
  readonly #tables: PostgresTables;

  constructor(use: Use, tables: PostgresTables) {
    this.#use = use;
    this.#tables = tables;
  }

  /** One statement compares and sets, so that of two stores that start at once only one finds itself raised. */
  raise(wanted: Witness): Promise<WitnessAnswer> {
    return this.#use('raise the witness', async (connection): Promise<WitnessAnswer> => {
      for (;;) {
        const raised = await connection.rows(
          `insert into ${this.#tables.witness} as known (queue_manager, generation, epoch, opening)
             values ($1, $2, $3, $4)
             on conflict (queue_manager) do update
               set epoch = excluded.epoch, opening = excluded.opening, raised_at = now()
               where known.generation = excluded.generation
                 and (known.epoch < excluded.epoch or (known.epoch = excluded.epoch and known.opening = excluded.opening))
             returning queue_manager`,
          valuesOf(wanted),
        );
        if (raised.length === 1) return { kind: 'raised' };
        const found = await this.#find(connection, wanted.queueManager);
        // Deleted in between, by somebody's hand: then it is written the next time round.
        if (found !== undefined) return { kind: 'refused', found };
      }
    });
  }

  read(queueManager: string): Promise<Witness | undefined> {
    return this.#use('read the witness', (connection) => this.#find(connection, queueManager));
  }

  async replace(wanted: Witness): Promise<void> {
    await this.#use('replace the witness', (connection) =>
      connection.rows(
        `insert into ${this.#tables.witness} (queue_manager, generation, epoch, opening) values ($1, $2, $3, $4)
           on conflict (queue_manager) do update set generation = excluded.generation, epoch = excluded.epoch,
             opening = excluded.opening, raised_at = now()`,
        valuesOf(wanted),
      ),
    );
  }

  async #find(connection: PostgresConnection, queueManager: string): Promise<Witness | undefined> {
    const [row] = await connection.rows<WitnessRow>(
      `select queue_manager::text, generation::text, epoch::float8, opening::text
         from ${this.#tables.witness} where queue_manager = $1`,
      [queueManager],
    );
    if (row === undefined) return undefined;
    return { queueManager: row.queue_manager, generation: row.generation, epoch: row.epoch, opening: row.opening };
  }
}

type Use = <Result>(what: string, run: (connection: PostgresConnection) => Promise<Result>) => Promise<Result>;

interface WitnessRow {
  readonly queue_manager: string;
  readonly generation: string;
  readonly epoch: number;
  readonly opening: string;
}

function valuesOf({ queueManager, generation, epoch, opening }: Witness): readonly unknown[] {
  return [queueManager, generation, epoch, opening];
}
