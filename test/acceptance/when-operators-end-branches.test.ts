import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  formatBranchId,
  formatBranchQualifier,
  formatTransactionId,
  queueManagerField,
} from '../../src/transactions/transaction-id.ts';
import { bothDatabases, REQUESTS } from '../support/both-databases.ts';
import { type CommandResult, jsonLines, posthorn } from '../support/command-line.ts';
import { DatabaseStory, next, until } from '../support/database-story.ts';
import { EffectsDatabase } from '../support/effects-database.ts';
import { requirePostgres } from '../support/test-databases.ts';

describe('when operators end branches', { concurrency: true }, () => {
  test('fenced branches are committed or rolled back as they say, and foreign ones stay as they are', async (t) => {
    const server = requirePostgres(t);
    if (server === undefined) return;
    await using orders = await EffectsDatabase.make(server);
    await using story = await DatabaseStory.begin();
    const [toCommit, toAbort] = [1, 2].map((sequence) => forgottenTransaction(story, sequence));
    const foreign = `another program's ${story.manager.storeId}`;
    for (const [number, id] of [toCommit, toAbort].entries()) {
      const transaction = id ?? '';
      await prepare(orders, number, formatBranchId({ transaction, qualifier: formatBranchQualifier('orders', 1) }));
    }
    await prepare(orders, 2, foreign);
    await story.numbersEndpoint([orders]).endpoint.start();
    const verb = (...given: readonly string[]): Promise<CommandResult> =>
      posthorn(['transactions', ...given, '--directory', story.directory]);

    const list = await verb('list');
    assert.equal(list.exitCode, 1, list.stdout + list.stderr);
    assert.match(list.stdout, new RegExp(`^${toCommit} .* FENCED `, 'm'));
    assert.match(list.stdout, new RegExp(`^${foreign} .* foreign `, 'm'));
    const show = await verb('show', toCommit ?? '');
    assert.match(show.stdout, new RegExp(`^ {2}orders: COMMIT PREPARED '${toCommit}:`, 'm'));
    const meant = ['--reason', 'compared with the books', '--yes'];
    for (const [action, id] of [
      ['commit', toCommit],
      ['abort', toAbort],
    ] as const) {
      const done = await verb(action, id ?? '', ...meant);
      assert.equal(done.exitCode, 0, done.stderr);
    }
    assert.deepEqual(await orders.numbers(), [0], 'the first is committed, the second is not');
    const refused = await verb('commit', foreign, ...meant);
    assert.deepEqual([refused.exitCode, refused.stdout], [1, '']);
    assert.deepEqual(await orders.prepared(''), [foreign]);
    const left = jsonLines((await verb('list', '--json')).stdout).filter(({ entry }) => entry === 'transaction');
    assert.deepEqual(
      left.map(({ id, state }) => [id, state]),
      [[foreign, 'foreign']],
    );
  });

  test('a database that cannot be told of the commit is shown with what it holds, and told by retry as soon as it is back', async (t) => {
    await using both = await bothDatabases(t);
    if (both === undefined) return;
    await using story = await DatabaseStory.begin();
    const numbers = story.numbersEndpoint(both.all);
    await numbers.endpoint.start();
    const told = both.postgres.proxy.trap(REQUESTS.postgres.finish, 'request');
    const handled = next(numbers, 'handled');
    await story.put('numbers', 1);
    await told;
    await both.postgres.proxy.down();
    await handled;
    const verb = (...given: readonly string[]): Promise<CommandResult> =>
      posthorn(['transactions', ...given, '--directory', story.directory]);

    const list = await verb('list', '--resource', 'orders', '--alarm-after', '1ms');
    assert.equal(list.exitCode, 1, list.stderr);
    assert.match(list.stdout, / committing +numbers +number 1 +orders, stock +1$/m);
    assert.match(list.stdout, /^ {4}stock: committed$/m);
    assert.match(list.stdout, /Locks are held there/);
    assert.match(list.stdout, /^ {4}Held until then: 1 message for 'done'\.$/m);
    const [{ id } = {}] = jsonLines((await verb('list', '--state', 'committing', '--json')).stdout).filter(
      ({ entry }) => entry === 'transaction',
    );
    const [prepared] = await both.postgres.prepared('P1.');
    const show = await verb('show', String(id));
    assert.ok(
      show.stdout.includes(`\n  orders: COMMIT PREPARED '${prepared}';\n`),
      'for whoever reaches that database',
    );
    const refused = await verb('abort', String(id), '--reason', 'impatient', '--yes');
    assert.deepEqual([refused.exitCode, refused.stdout], [1, ''], 'what is decided is decided');
    await both.postgres.proxy.accept();
    await verb('retry', String(id));
    await until(
      async () => (await verb('list', '--json', '--state', 'committing')).stdout.includes('"transaction"') === false,
      async () => (await verb('list')).stdout,
    );
    await story.untilAgreed(both.all, [1]);
  });
});

/** Of this queue manager's name, and of a generation that its store knows nothing of. */
function forgottenTransaction({ manager }: DatabaseStory, sequence: number): string {
  const queueManager = queueManagerField(manager.storeId);
  return formatTransactionId({ queueManager, generation: 'x'.repeat(8), epoch: 1, sequence });
}

async function prepare(database: EffectsDatabase, number: number, id: string): Promise<void> {
  await using session = await database.session();
  await session.query('begin');
  await session.query(`insert into effects values (${number})`);
  await session.query(`prepare transaction '${id.replaceAll("'", "''")}'`);
}
