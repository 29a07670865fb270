import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import pg, { type PoolClient, type QueryConfig, type QueryResult } from 'pg';
import { commit, postgresStory } from './postgres-story.ts';

const INSERT = 'insert into effects (number) values ($1)';
const SERIES = 'select number, 2 as two from generate_series(1, $1::int) as number';

/** What it asks is told by getters of its prototype. */
class Lookup {
  readonly number: number;

  constructor(number: number) {
    this.number = number;
  }

  get text(): string {
    return 'select $1::int as number';
  }

  get values(): number[] {
    return [this.number];
  }
}

/** Whether the transaction has begun, so that nothing has to wait for it. */
const MOMENTS = {
  'before BEGIN': async () => undefined,
  'in an open transaction': async (db: PoolClient) => void (await db.query('select 1')),
} as const;

async function setup(t: TestContext, prepare: (db: PoolClient) => Promise<void>) {
  const story = await postgresStory(t, { poolSize: 1 });
  if (story === undefined) return undefined;
  const branch = await story.begin();
  const db = branch.client as PoolClient;
  await prepare(db);
  return { story, branch, db };
}

let portalCount = 0;

/** Less usual configs, which the driver's types do not all know. */
const FORMS: Readonly<Record<string, () => QueryConfig>> = {
  'an object with getters': () => new Lookup(7),
  'an object that inherits everything': () => Object.create({ text: SERIES, values: [3], rowMode: 'array' }),
  'a frozen one': () => Object.freeze({ text: SERIES, values: [3] }),
  'one without a prototype': () => Object.assign(Object.create(null), { text: SERIES, values: [3] }),
  'one for arrays': () => ({ text: SERIES, values: [3], rowMode: 'array' }) as QueryConfig,
  'one with types of its own': () => ({ text: SERIES, values: [3], types: { getTypeParser: () => String } }),
  'one with a limit of rows for each answer': () => ({ text: SERIES, values: [7], rows: 3 }) as QueryConfig,
  'one with a portal': () => ({ text: SERIES, values: [3], portal: `portal ${++portalCount}` }) as QueryConfig,
  'one for binary results': () => ({ text: SERIES, values: [3], binary: true }) as QueryConfig,
  'one for the extended protocol': () => ({ text: 'select 1 as one', queryMode: 'extended' }) as QueryConfig,
  'one with a time of its own': () => ({ text: SERIES, values: [3], query_timeout: 60_000 }) as QueryConfig,
  'a named one': () => ({ name: 'series', text: SERIES, values: [3] }),
};

for (const [moment, prepare] of Object.entries(MOMENTS)) {
  describe(`what is asked of PostgreSQL ${moment}`, () => {
    test('is sent as it was asked, whatever becomes of the config', async (t) => {
      const { story, branch, db } = (await setup(t, prepare)) ?? {};
      if (story === undefined || branch === undefined || db === undefined) return;
      const config = { text: INSERT, values: [0] };
      const asked = [1, 2, 3].map((number) => {
        config.values = [number];
        return db.query(config);
      });
      config.text = 'selec';
      await Promise.all(asked);
      await commit(branch);
      assert.deepEqual(await story.database.numbers(), [1, 2, 3]);
    });

    test('is sent as it was asked, whatever becomes of its values', async (t) => {
      const { story, branch, db } = (await setup(t, prepare)) ?? {};
      if (story === undefined || branch === undefined || db === undefined) return;
      const values = [0];
      const asked: Promise<unknown>[] = [];
      for (const number of [1, 2, 3]) {
        values[0] = number;
        asked.push(db.query({ name: 'insert', text: INSERT, values }));
      }
      values[0] = 4;
      asked.push(db.query({ text: INSERT }, values));
      asked.push(new Promise((resolve) => db.query(INSERT, values, resolve)));
      values[0] = 0;
      await Promise.all(asked);
      await commit(branch);
      assert.deepEqual(await story.database.numbers(), [1, 2, 3, 4, 4]);
    });

    test('is the text that was judged, and no other that takes its place', async (t) => {
      const { story, branch, db } = (await setup(t, prepare)) ?? {};
      if (story === undefined || branch === undefined || db === undefined) return;
      const config = { text: 'select 1 as one' };
      const asked = db.query(config);
      config.text = 'insert into effects values (5); commit';
      assert.deepEqual((await asked).rows, [{ one: 1 }]);
      let readCount = 0;
      const changing = {
        get text() {
          return ++readCount === 1 ? 'select 2 as two' : 'insert into effects values (6); commit';
        },
      };
      assert.deepEqual((await db.query(changing)).rows, [{ two: 2 }]);
      assert.deepEqual(await branch.end(), { hasWritten: false });
      await branch.commitReadOnly();
      assert.deepEqual(await story.database.numbers(), []);
    });

    test('is refused when it is a query object whose text is another one by then', async (t) => {
      const { story, branch, db } = (await setup(t, prepare)) ?? {};
      if (story === undefined || branch === undefined || db === undefined) return;
      const before = db.query('select pg_sleep(0)');
      const query = new pg.Query('select 1');
      const told = once(query, 'end').catch((error: unknown) => error);
      db.query(query);
      Object.assign(query, { text: 'insert into effects values (7); commit' });
      assert.equal(((await told) as { readonly code?: string }).code, 'STATEMENT_REFUSED');
      await before;
      await assert.rejects(branch.end(), { code: 'STATEMENT_REFUSED' });
      await branch.rollback();
      assert.deepEqual(await story.database.numbers(), []);
    });

    for (const [form, make] of Object.entries(FORMS)) {
      test(`is answered as the driver answers when it is ${form}`, async (t) => {
        const { story, branch, db } = (await setup(t, prepare)) ?? {};
        if (story === undefined || branch === undefined || db === undefined) return;
        const client = new pg.Client(story.database.directUrl);
        await client.connect();
        const expected = shapeOf(await client.query(make()));
        await client.end();
        assert.deepEqual(shapeOf(await db.query(make())), expected);
        const called = await new Promise<QueryResult>((resolve, reject) =>
          db.query(make(), (error: Error | undefined, result: QueryResult) =>
            error ? reject(error) : resolve(result),
          ),
        );
        assert.deepEqual(shapeOf(called), expected);
        await branch.rollback();
      });
    }
  });
}

function shapeOf({ command, rowCount, rows, fields }: QueryResult) {
  return { command, rowCount, rows, fields: fields.map(({ name, dataTypeID }) => ({ name, dataTypeID })) };
}
