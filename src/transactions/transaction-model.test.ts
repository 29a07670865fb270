import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runModel } from '../../test/support/transaction-model.ts';

const CASES = 600;

describe('transactions under random faults and deaths', () => {
  test('the queues and every database agree about each message, nothing twice, nothing left behind', async () => {
    const total = { deaths: 0, attempts: 0, unknowns: 0 };
    for (let seed = 1; seed <= CASES; seed++) {
      try {
        const { deaths, attempts, unknowns } = await runModel(seed);
        total.deaths += deaths;
        total.attempts += attempts;
        total.unknowns += unknowns;
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    assert.ok(total.deaths > CASES / 2, `the runs are rough: ${total.deaths} deaths`);
    assert.ok(total.unknowns > CASES / 30, `answers were really lost: ${total.unknowns}`);
  });

  test('a row that is there twice is found', async () => {
    let foundCount = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const doubled = runModel(seed, {
        beforeCheck: (databases) => {
          for (const { rows } of databases) if (rows[0] !== undefined) rows.push(rows[0]);
        },
      });
      await doubled.catch(() => foundCount++);
    }
    assert.ok(foundCount > 0, 'at least one of ten runs writes to a database');
  });
});
