import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import pg from 'pg';
import { allGone } from '../../tools/databases/process-tree.ts';
import { startMariadb } from '../../tools/databases/start-mariadb.ts';
import { startPostgres } from '../../tools/databases/start-postgres.ts';
import {
  freshDatabase,
  requireDatabases,
  requireMariadb,
  requirePostgres,
  requireUnpreparedPostgres,
} from '../support/test-databases.ts';

describe('the servers that test files share', () => {
  test('PostgreSQL prepares transactions, and syncs for real', async (t) => {
    const server = requirePostgres(t);
    if (server === undefined) return;
    const client = new pg.Client(server.url);
    await client.connect();
    const setting = async (name: string): Promise<unknown> =>
      (await client.query<{ value: string }>(`select current_setting('${name}') as value`)).rows[0]?.value;
    assert.ok(Number(await setting('max_prepared_transactions')) >= 64);
    assert.equal(await setting('fsync'), 'on');
    assert.equal(await setting('synchronous_commit'), 'on');
    await client.end();
  });

  test('the other PostgreSQL does not prepare', async (t) => {
    const server = requireUnpreparedPostgres(t);
    if (server === undefined) return;
    const client = new pg.Client(server.url);
    await client.connect();
    await client.query('begin');
    await assert.rejects(client.query("prepare transaction 'a'"), { code: '55000' });
    await client.end();
  });

  test('MariaDB syncs for real', async (t) => {
    const server = requireMariadb(t);
    if (server === undefined) return;
    const client = await createConnection(server.url);
    const [[row]] = await client.query<RowDataPacket[]>('select @@innodb_flush_log_at_trx_commit as value');
    assert.equal(row?.value, 1);
    await client.end();
  });

  test('a database of a test is gone at its end, with what is prepared in it', async (t) => {
    const server = requirePostgres(t);
    if (server === undefined) return;
    const gid = `left ${process.pid}`;
    {
      await using database = await freshDatabase(server);
      const client = new pg.Client(database.connectionString);
      await client.connect();
      await client.query(`create table t(id int); begin; insert into t values (1)`);
      await client.query(`prepare transaction '${gid}'`);
      await client.end();
    }
    const client = new pg.Client(server.url);
    await client.connect();
    assert.deepEqual((await client.query('select gid from pg_prepared_xacts where gid = $1', [gid])).rows, []);
    await client.end();
  });

  test('a database of a test is gone at its end, with the connections to it', async (t) => {
    const server = requireMariadb(t);
    if (server === undefined) return;
    let name: string;
    {
      await using database = await freshDatabase(server);
      name = database.name;
      const client = await createConnection(database.connectionString);
      client.on('error', () => undefined);
      await client.query('create table t(id int) engine = innodb');
      await client.query('begin');
      await client.query('insert into t values (1)');
    }
    const client = await createConnection(server.url);
    assert.deepEqual((await client.query<RowDataPacket[]>(`show databases like '${name}'`))[0], []);
    await client.end();
  });
});

describe('a private server', () => {
  test('PostgreSQL keeps what is prepared over a kill of all its processes', async (t) => {
    if (requirePostgres(t) === undefined) return;
    await using server = await startPostgres({ preparedMax: 3 });
    const before = new pg.Client(server.url);
    before.on('error', () => undefined);
    await before.connect();
    await before.query('create table t(id int); begin; insert into t values (1)');
    await before.query("prepare transaction 'kept'");
    await server.restart({ immediate: true });
    const after = new pg.Client(server.url);
    await after.connect();
    await after.query("commit prepared 'kept'");
    assert.deepEqual((await after.query('select id from t')).rows, [{ id: 1 }]);
    assert.deepEqual((await after.query('show max_prepared_transactions')).rows, [{ max_prepared_transactions: '3' }]);
    await after.end();
  });

  test('MariaDB keeps what is prepared over a stop and over a kill', async (t) => {
    if (requireMariadb(t) === undefined) return;
    await using server = await startMariadb();
    const before = await createConnection(server.url);
    before.on('error', () => undefined);
    await before.query('create database d');
    await before.query('create table d.t(id int) engine = innodb');
    await before.query("xa start 'kept'");
    await before.query('insert into d.t values (1)');
    await before.query("xa end 'kept'");
    await before.query("xa prepare 'kept'");
    await server.restart({ immediate: false });
    await server.restart({ immediate: true });
    const after = await createConnection(server.url);
    await after.query("xa commit 'kept'");
    assert.deepEqual((await after.query<RowDataPacket[]>('select id from d.t'))[0], [{ id: 1 }]);
    await after.end();
  });

  test('its data may lie in a folder of the test, and stay there', async (t) => {
    if (!requireDatabases(t)) return;
    const root = mkdtempSync(join(tmpdir(), 'posthorn-servers-'));
    t.after(() => rmSync(root, { recursive: true }));
    {
      await using postgres = await startPostgres({ directory: join(root, 'postgres') });
      await using mariadb = await startMariadb({ directory: join(root, 'mariadb') });
      assert.notEqual(postgres.port, mariadb.port);
    }
    assert.ok(existsSync(join(root, 'postgres', 'data', 'PG_VERSION')));
    assert.ok(existsSync(join(root, 'mariadb', 'data', 'ibdata1')));
  });

  test('a frozen one answers once it is thawed', async (t) => {
    if (requirePostgres(t) === undefined) return;
    await using server = await startPostgres();
    const client = new pg.Client(server.url);
    await client.connect();
    server.freeze();
    const answer = client.query('select 1 as one');
    const another = new pg.Client({ connectionString: server.url, connectionTimeoutMillis: 50 });
    await assert.rejects(another.connect(), /timeout/);
    server.thaw();
    assert.deepEqual((await answer).rows, [{ one: 1 }]);
    await client.end();
  });

  test('servers end, and their data are removed, when the process that started them is killed', async (t) => {
    if (!requireDatabases(t)) return;
    const child = fork(new URL('./children/two-servers.ts', import.meta.url), { execArgv: [] });
    const [servers] = (await once(child, 'message')) as [{ pid: number; directory: string }[]];
    child.kill('SIGKILL');
    await once(child, 'exit');
    await allGone(servers.map(({ pid }) => pid));
    assert.equal(servers.length, 2);
    while (servers.some(({ directory }) => existsSync(directory)))
      await new Promise((resolve) => setImmediate(resolve));
  });
});
