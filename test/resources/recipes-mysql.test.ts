import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eq } from 'drizzle-orm';
import { int, mysqlTable } from 'drizzle-orm/mysql-core';
import { drizzle } from 'drizzle-orm/mysql2';
import knex from 'knex';
import { Kysely, MysqlDialect, type MysqlPool, sql } from 'kysely';
import type { MysqlClient } from '../../src/resources/mysql/guarded-connection.ts';
import { MysqlStory } from './mysql-story.ts';

/* The recipes of docs/databases.md, as they stand there. */

interface Shop {
  readonly stock: { item: number; amount: number };
}

function kyselyOn(client: MysqlClient): Kysely<Shop> {
  // One connection, which Posthorn gives back: `release` does nothing.
  const pool = {
    getConnection: (done: (error: unknown, connection: unknown) => void) => done(undefined, client.connection),
    end: (done: (error: unknown) => void) => done(undefined),
  };
  return new Kysely({ dialect: new MysqlDialect({ pool: pool as MysqlPool }) });
}

const stock = mysqlTable('stock', { item: int().primaryKey(), amount: int().notNull() });

const builder = knex({ client: 'mysql2' });

test('recipe: Kysely on the enlisted client of MariaDB', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  const db = kyselyOn(client);
  await db.insertInto('stock').values({ item: 1, amount: 10 }).execute();
  await db.updateTable('stock').set({ amount: sql`amount - 1` }).where('item', '=', 1).execute();
  const rows = await db.selectFrom('stock').selectAll().execute();
  assert.deepEqual(rows, [{ item: 1, amount: 9 }]);
  const streamed = [];
  for await (const row of db.selectFrom('stock').selectAll().stream()) streamed.push(row);
  assert.equal(streamed.length, 1);
  assert.deepEqual(await story.items(), []);
  await branch.end();
  assert.equal((await branch.commitWithMarker()).kind, 'committed');
  assert.deepEqual(await story.items(), [1]);
});

test('recipe: a transaction that Kysely would begin itself is refused', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  const db = kyselyOn(client);
  const own = db
    .transaction()
    .execute(async (inner) => inner.insertInto('stock').values({ item: 1, amount: 1 }).execute());
  await assert.rejects(own, { code: 'STATEMENT_REFUSED' });
  await branch.rollback();
  assert.deepEqual(await story.items(), []);
});

test('recipe: Drizzle on the enlisted client of MariaDB', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  const db = drizzle({ client });
  await db.insert(stock).values({ item: 1, amount: 10 });
  await db.update(stock).set({ amount: 9 }).where(eq(stock.item, 1));
  assert.deepEqual(await db.select().from(stock), [{ item: 1, amount: 9 }]);
  assert.deepEqual(await story.items(), []);
  await branch.end();
  assert.equal((await branch.commitWithMarker()).kind, 'committed');
  assert.deepEqual(await story.items(), [1]);
});

test('recipe: a transaction that Drizzle would begin itself is refused', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  const db = drizzle({ client });
  const own = db.transaction(async (inner) => inner.insert(stock).values({ item: 1, amount: 1 }));
  await assert.rejects(own, (error: Error) => {
    assert.match(`${error.message} ${String(error.cause)}`, /refused on 'stock'/);
    return true;
  });
  await branch.rollback();
  assert.deepEqual(await story.items(), []);
});

test('recipe: Knex on the enlisted client of MariaDB', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  await builder('stock').insert({ item: 1, amount: 10 }).connection(client.connection);
  await builder('stock').where({ item: 1 }).decrement('amount', 1).connection(client.connection);
  const rows = await builder('stock').select('*').connection(client.connection);
  assert.deepEqual(
    rows.map((row) => ({ ...row })),
    [{ item: 1, amount: 9 }],
  );
  assert.deepEqual(await story.items(), []);
  await branch.end();
  assert.equal((await branch.commitWithMarker()).kind, 'committed');
  assert.deepEqual(await story.items(), [1]);
});

test('recipe: an error that a query builder swallowed dooms the branch', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  for (const fail of [
    (client: MysqlClient) => kyselyOn(client).insertInto('stock').values({ item: 1, amount: 1 }).execute(),
    (client: MysqlClient) => drizzle({ client }).insert(stock).values({ item: 1, amount: 1 }),
    (client: MysqlClient) => builder('stock').insert({ item: 1, amount: 1 }).connection(client.connection),
  ]) {
    const { branch, client } = await story.branch();
    await client.query('insert into stock values (1, 1)');
    await assert.rejects(async () => fail(client));
    await assert.rejects(branch.end(), { code: 'BRANCH_DOOMED', message: /Duplicate entry/ });
    await branch.rollback();
  }
  assert.deepEqual(await story.items(), []);
});
