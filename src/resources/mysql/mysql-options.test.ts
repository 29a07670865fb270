import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMysqlOptions, type MysqlResourceOptions } from './mysql-options.ts';

test('a connection string and its parts mean the same', () => {
  const parts = checkMysqlOptions({
    name: 'stock',
    host: 'db',
    port: 3307,
    database: 'shop',
    user: 'app',
    password: 'p@ss',
  });
  const text = checkMysqlOptions({ name: 'stock', connectionString: 'mysql://app:p%40ss@db:3307/shop' });
  assert.deepEqual(text, parts);
  assert.deepEqual(parts.target, { host: 'db', port: 3307, database: 'shop', user: 'app' });
});

test('what is left out has its default', () => {
  const settings = checkMysqlOptions({ name: 'stock', connectionString: 'mariadb://app@[::1]/shop' });
  assert.deepEqual(settings.target, { host: '::1', port: 3306, database: 'shop', user: 'app' });
  assert.deepEqual(
    [settings.statementTimeoutMs, settings.statementErrors, settings.tables, settings.poolSize, settings.login.ssl],
    [60_000, 'rollback', 'create', undefined, undefined],
  );
});

test('TLS checks the certificate, and its name where the host is a name', () => {
  const ssl = (connectionString: string) => checkMysqlOptions({ name: 'a', connectionString }).login.ssl;
  assert.deepEqual(ssl('mysql://app@db/shop?ssl=true'), { rejectUnauthorized: true, verifyIdentity: true });
  assert.deepEqual(ssl('mysql://app@10.1.2.3/shop?ssl=true'), { rejectUnauthorized: true, verifyIdentity: false });
  assert.equal(ssl('mysql://app@db/shop?ssl=false'), undefined);
});

test('a wrong option is told by its name, and no text holds the password', () => {
  const secret = 'correct-horse';
  const url = `mysql://app:${secret}@db/shop`;
  const wrong: [unknown, RegExp][] = [
    [{ name: '', connectionString: url }, /'name'/],
    [{ connectionString: url }, /'name'/],
    [{ name: 'a', connectionString: url, database: 'x' }, /'database' is given beside connectionString/],
    [{ name: 'a', connectionString: url, poolsize: 3 }, /'poolSize'/],
    [{ name: 'a', connectionString: url, poolSize: 0 }, /'poolSize'/],
    [{ name: 'a', connectionString: url, statementTimeoutMs: 0 }, /'statementTimeoutMs'/],
    [{ name: 'a', connectionString: url, statementErrors: 'ignore' }, /'statementErrors'/],
    [{ name: 'a', connectionString: url, tables: 'drop' }, /'tables'/],
    [{ name: 'a', connectionString: url, ssl: 'yes' }, /'ssl'/],
    [{ name: 'a', connectionString: `${url}?multipleStatements=true` }, /multipleStatements/],
    [{ name: 'a', connectionString: `${url}?ssl=perhaps` }, /'connectionString'/],
    [{ name: 'a', connectionString: `postgres://app:${secret}@db/shop` }, /'connectionString'/],
    [{ name: 'a', connectionString: `${secret} is no URL` }, /'connectionString'/],
    [{ name: 'a', connectionString: `mysql://app:${secret}%@db/shop` }, /'connectionString'/],
    [{ name: 'a', connectionString: '' }, /'connectionString'/],
    [{ name: 'a', connectionString: undefined }, /'connectionString' is undefined/],
    [{ name: 'a', connectionString: `mysql://app:${secret}@db` }, /'database' is missing/],
    [{ name: 'a', connectionString: 'mysql://db/shop' }, /'user' is missing/],
    [{ name: 'a', host: 'db', user: 'app', database: 'shop', password: 5 }, /'password'/],
  ];
  for (const [options, expected] of wrong) {
    assert.throws(
      () => checkMysqlOptions(options as MysqlResourceOptions),
      (error: Error & { readonly code?: string }) => {
        assert.equal(error.code, 'INVALID_OPTION');
        assert.match(error.message, expected);
        assert.doesNotMatch(error.message, new RegExp(secret));
        return true;
      },
    );
  }
});

test('what is shown of a place has no password', () => {
  const { where, target } = checkMysqlOptions({ name: 'a', connectionString: 'mysql://app:secret@db/shop' });
  assert.equal(where, 'app@db:3306/shop');
  assert.doesNotMatch(JSON.stringify(target), /secret/);
});
