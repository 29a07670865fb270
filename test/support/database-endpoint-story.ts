import { enlistAmbient } from '../../src/resources/shared/enlist-ambient.ts';
import type { Resource } from '../../src/transactions/resource.ts';
import { EndpointStory } from './endpoint-story.ts';
import { type FakeClient, FakeDatabase, type FakeResource } from './fake-database.ts';
import { Life } from './fake-server.ts';

/** Endpoints on a machine in memory, and databases in memory that they take along. */
export class DatabaseEndpointStory extends EndpointStory {
  readonly orders = new FakeDatabase('orders');
  readonly stock = new FakeDatabase('stock', 'mysql');
  #life = new Life();

  /** What a program would make with `postgresResource` in the process that runs now. */
  resource<Name extends 'orders' | 'stock'>(name: Name): FakeDatabaseResource<Name> {
    const resourceManager = this[name].connect(this.#life);
    return {
      name,
      resourceManager,
      insert: async (row) => {
        const client = (await enlistAmbient(resourceManager)) as FakeClient; // what its branches hand out
        await client.insert(row);
      },
    };
  }

  override async crash(): Promise<void> {
    this.#life.die();
    for (const database of [this.orders, this.stock]) database.processDied(this.#life);
    this.#life = new Life();
    await super.crash();
  }

  /** Its server takes its time over every rollback: until the promise that this returns is resolved. */
  delayRollbacks({ resourceManager }: FakeDatabaseResource<string>): PromiseWithResolvers<void> {
    const answer = Promise.withResolvers<void>();
    const begin = resourceManager.begin.bind(resourceManager);
    resourceManager.begin = async (request) => {
      const branch = await begin(request);
      const rollback = branch.rollback.bind(branch);
      branch.rollback = async () => {
        await answer.promise;
        await rollback();
      };
      return branch;
    };
    return answer;
  }

  /** Lets another life of this queue manager write its witness row: our store went back in time, or was copied. */
  raiseWitnessOfAnotherLife(database: FakeDatabase): void {
    for (const [queueManager, witness] of database.witnesses) {
      database.witnesses.set(queueManager, { ...witness, epoch: witness.epoch + 5, opening: 'another opening' });
    }
  }
}

export interface FakeDatabaseResource<Name extends string> extends Resource<Name, FakeClient> {
  readonly resourceManager: FakeResource;
  /** Joins the transaction that it is called in. */
  insert(row: string): Promise<void>;
}
