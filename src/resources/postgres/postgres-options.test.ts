import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { type PostgresOptions, resolvePostgresOptions } from './postgres-options.ts';
import { postgresResource } from './postgres-resource.ts';

const CANARY = 'c4nary-of-a-p4ssword';

function targetOf(options: Omit<PostgresOptions, 'name'>): string {
  const { host, port, database, user } = resolvePostgresOptions({ name: 'orders', ...options }).target;
  return `${user} ${host} ${port} ${database}`;
}

describe('options of a PostgreSQL resource', () => {
  for (const [connectionString, expected] of [
    ['postgres://app:secret@db.example:5433/orders', 'app db.example 5433 orders'],
    ['postgresql://app@db.example/orders', 'app db.example 5432 orders'],
    ['postgres://app:s%40t@[::1]:5433/or%20ders', 'app ::1 5433 or ders'],
    ['postgres://app@ignored/orders?host=/run/postgresql&port=5434', 'app /run/postgresql 5434 orders'],
    ['socket:/run/postgresql?db=orders&user=app', 'app /run/postgresql 5432 orders'],
  ] as const) {
    test(`${connectionString} names its place`, () => assert.equal(targetOf({ connectionString }), expected));
  }

  test('the parts name the same place', () => {
    assert.equal(targetOf({ host: 'db', port: 1, database: 'orders', user: 'app' }), 'app db 1 orders');
    assert.equal(targetOf({ host: 'db', user: 'app' }), 'app db 5432 app');
  });

  for (const [what, options, message] of [
    ['a name that is missing', { name: undefined }, /'name' is missing/],
    ['a name that is none', { name: 'a b' }, /'name' is not a name/],
    ['an option that does not exist', { poolsize: 3 }, /'poolsize' does not exist.*'poolSize'/],
    ['a wrong number', { poolSize: 0 }, /'poolSize' is 0.*from 1/],
    ['a port that is a text', { port: '5432' }, /'port' is no number/],
    ['a wrong word', { statementErrors: 'ignore' }, /'statementErrors'.*'rollback' or 'handled'/],
    ['a wrong word for tables', { tables: 'make' }, /'tables'.*'create' or 'expect'/],
    [
      'a text that is no connection string',
      { connectionString: `:${CANARY}@db/orders` },
      /'connectionString' cannot be read/,
    ],
    [
      'a part beside the text',
      { connectionString: `postgres://a:${CANARY}@db/o`, user: 'b' },
      /'user' is given beside/,
    ],
    ['a password of another kind', { password: 5 }, /'password' is neither/],
    ['ssl of another kind', { ssl: 'yes' }, /'ssl' is neither/],
  ] as const) {
    test(`${what} is refused with the mend, and without the password`, () => {
      assert.throws(
        () => resolvePostgresOptions({ name: 'orders', ...options } as unknown as PostgresOptions),
        (error: Error & { readonly code?: string }) => {
          assert.equal(error.code, 'INVALID_OPTION');
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, new RegExp(CANARY));
          return true;
        },
      );
    });
  }

  test('the password is in no error, no view and no inspection', async () => {
    const byText = postgresResource({
      name: 'orders',
      connectionString: `postgres://app:${CANARY}@127.0.0.1:1/orders`,
    });
    const byPart = postgresResource({ name: 'orders', host: '127.0.0.1', port: 1, user: 'app', password: CANARY });
    for (const { resourceManager } of [byText, byPart]) {
      const id = { transaction: 'x', qualifier: 'y' };
      const error = await resourceManager
        .begin({ id, isolationLevel: 'read committed', idleMsMax: 1000 })
        .catch((thrown: unknown) => thrown);
      const findings: unknown[] = [];
      await resourceManager.setup.examine({ tables: [], branchCount: 1, tell: (finding) => findings.push(finding) });
      const again = await resourceManager.recovery.fence('x');
      for (const shown of [resourceManager, error, findings, again]) {
        const texts = [inspect(shown, { depth: 20, showHidden: true }), JSON.stringify(shown), String(shown)];
        assert.ok(texts.every((text) => text === undefined || !text.includes(CANARY)));
      }
      assert.match(String(error), /127\.0\.0\.1:1\/orders.*refused|ECONNREFUSED/);
      await resourceManager.close();
    }
  });
});
