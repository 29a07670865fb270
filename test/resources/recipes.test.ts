import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { asc, eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable } from 'drizzle-orm/pg-core';
import knex from 'knex';
import { Kysely, PostgresDialect } from 'kysely';
import type { PoolClient } from 'pg';
import { postgresResource } from '../../src/resources/postgres/postgres-resource.ts';
import { REQUESTS } from '../support/both-databases.ts';
import { requirePostgres } from '../support/test-databases.ts';
import { ResourceStory } from './resource-story.ts';

/* The recipes of docs/databases.md, as they stand there, on the client of a branch. */

interface Tables {
  readonly effects: { readonly number: number };
}

async function setup(t: TestContext) {
  const story = await ResourceStory.make(t, {
    title: 'PostgreSQL',
    requireServer: requirePostgres,
    make: (options) => postgresResource(options).resourceManager,
    query: async (client, sql) => (await (client as PoolClient).query(sql)).rows,
    byHand: [],
    sleep: (seconds) => `select pg_sleep(${seconds})`,
    wire: REQUESTS.postgres,
  });
  if (story === undefined) return undefined;
  const branch = await story.begin();
  return { story, branch, client: branch.client as PoolClient };
}

describe('on the enlisted client of PostgreSQL', () => {
  test('Kysely reads and writes, and its own transactions are refused', async (t) => {
    const { story, branch, client } = (await setup(t)) ?? {};
    if (story === undefined || branch === undefined || client === undefined) return;
    const onClient = (enlisted: PoolClient): Kysely<Tables> => {
      const pool = { connect: async () => enlisted, end: async () => undefined, options: {} };
      return new Kysely({ dialect: new PostgresDialect({ pool }) });
    };
    const db = onClient(client);
    await db
      .insertInto('effects')
      .values([{ number: 1 }, { number: 2 }])
      .execute();
    await db.deleteFrom('effects').where('number', '=', 1).execute();
    assert.deepEqual(await db.selectFrom('effects').select('number').execute(), [{ number: 2 }]);
    assert.deepEqual(await branch.end(), { hasWritten: true });
    assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
    assert.deepEqual(await story.database.numbers(), [2]);
    const next = await story.begin();
    const own = onClient(next.client as PoolClient).transaction();
    await assert.rejects(
      own.execute(async () => undefined),
      { code: 'STATEMENT_REFUSED' },
    );
    await next.rollback();
  });

  test('Drizzle reads and writes, and its own transactions are refused', async (t) => {
    const { story, branch, client } = (await setup(t)) ?? {};
    if (story === undefined || branch === undefined || client === undefined) return;
    const effects = pgTable('effects', { number: integer().notNull() });
    const db = drizzle(client);
    await db.insert(effects).values([{ number: 1 }, { number: 2 }, { number: 3 }]);
    await db.delete(effects).where(eq(effects.number, 1));
    assert.deepEqual(await db.select().from(effects).orderBy(asc(effects.number)), [{ number: 2 }, { number: 3 }]);
    assert.deepEqual(await branch.end(), { hasWritten: true });
    assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
    assert.deepEqual(await story.database.numbers(), [2, 3]);
    const next = await story.begin();
    await assert.rejects(
      drizzle(next.client as PoolClient).transaction(async () => undefined),
      (error: Error) => /BEGIN was refused/.test(`${error.message} ${String(error.cause)}`),
    );
    await next.rollback();
  });

  test('Knex reads and writes', async (t) => {
    const { story, branch, client } = (await setup(t)) ?? {};
    if (story === undefined || branch === undefined || client === undefined) return;
    const sql = knex({ client: 'pg' });
    t.after(() => sql.destroy());
    await sql('effects')
      .insert([{ number: 1 }, { number: 2 }])
      .connection(client);
    await sql('effects').where({ number: 1 }).delete().connection(client);
    assert.deepEqual(await sql('effects').select('number').connection(client), [{ number: 2 }]);
    assert.deepEqual(await branch.end(), { hasWritten: true });
    assert.deepEqual(await branch.commitWithMarker(), { kind: 'committed' });
    assert.deepEqual(await story.database.numbers(), [2]);
  });
});
