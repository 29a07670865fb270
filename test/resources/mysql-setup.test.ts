import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import type { PosthornError } from '../../src/message/posthorn-error.ts';
import type { MysqlClient } from '../../src/resources/mysql/guarded-connection.ts';
import { mysqlResource } from '../../src/resources/mysql/mysql-resource.ts';
import type { Finding, ResourceManager } from '../../src/transactions/resource-manager.ts';
import { startMariadb } from '../../tools/databases/start-mariadb.ts';
import { requireMariadb } from '../support/test-databases.ts';
import { MysqlStory } from './mysql-story.ts';

test('MariaDB: an examination goes through every step, each well, and leaves nothing behind', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const findings = await examine(story.manager, { tables: ['stock'] });
  assert.deepEqual(
    findings.map(({ step, outcome }) => `${step}: ${outcome}`),
    [
      'name: ok',
      'connect: ok',
      'tls: skipped',
      'login: ok',
      'version: ok',
      'prepared transactions: ok',
      'connections: ok',
      "Posthorn's tables: ok",
      'tables: ok',
      'durability: ok',
      'clock: ok',
      'write and commit: ok',
      'prepare and roll back: ok',
      'prepare and commit: ok',
    ],
    JSON.stringify(findings, undefined, 1),
  );
  assert.deepEqual(await story.markers(), []);
});

test('MariaDB: tables whose engine undoes nothing are findings, and one that is not there too', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  await story.outside.query('create table old_stock (item int) engine = MyISAM');
  const findings = await examine(story.manager, { tables: ['stock', 'old_stock', 'no_stock'] });
  const tables = findings.filter(({ step }) => step === 'tables');
  assert.deepEqual(
    tables.map(({ outcome }) => outcome),
    ['ok', 'failed', 'failed'],
  );
  assert.match(tables[1]?.mend ?? '', /ALTER TABLE old_stock ENGINE = InnoDB/);
});

test('MariaDB: a marker table of MyISAM is an obstacle to both protocols', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  await story.outside.query('alter table posthorn_marker engine = MyISAM');
  const { markerObstacle, twoPhaseObstacle } = await story.manager.setup.inspect();
  assert.match(markerObstacle?.mend ?? '', /ALTER TABLE posthorn_marker ENGINE = InnoDB/);
  assert.deepEqual(twoPhaseObstacle, markerObstacle);
});

test('MariaDB: a wrong password, and a database that is not there, fail at the login with their mends', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  for (const [change, mend] of [
    [{ username: 'nobody_knows', password: 'wrong' }, /nobody_knows/],
    [{ pathname: '/no_such_database' }, /CREATE DATABASE no_such_database/],
  ] as const) {
    const url = new URL(story.database.connectionString);
    Object.assign(url, change);
    const { resourceManager } = story.open({ connectionString: url.href });
    const failed = (await examine(resourceManager)).filter(({ outcome }) => outcome === 'failed');
    assert.deepEqual(
      failed.map(({ step }) => step),
      ['login'],
    );
    assert.match(failed[0]?.mend ?? '', mend);
    await assert.rejects(resourceManager.setup.inspect(), { code: 'RESOURCE_UNAVAILABLE' });
  }
});

test('something else that listens there fails at the login, within seconds', async (t) => {
  const other = createServer((socket) => socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.after(() => other.close());
  const address = other.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const { resourceManager } = mysqlResource({ name: 'a', connectionString: `mysql://app@127.0.0.1:${port}/shop` });
  const failed = (await examine(resourceManager)).filter(({ outcome }) => outcome === 'failed');
  assert.deepEqual(
    failed.map(({ step }) => step),
    ['login'],
  );
  assert.match(failed[0]?.mend ?? '', /MariaDB or MySQL/);
  await resourceManager.close();
});

test('MariaDB: a server that is read-only, keeps too few connections, or commits lazily is told with the setting', async (t) => {
  if (requireMariadb(t) === undefined) return;
  await using server = await startMariadb({
    settings: { 'read-only': 'ON', 'max-connections': 10, 'innodb-flush-log-at-trx-commit': 2 },
  });
  const { resourceManager: manager } = mysqlResource({ name: 'stock', connectionString: server.url });
  const { markerObstacle } = await manager.setup.inspect();
  assert.match(markerObstacle?.what ?? '', /read_only = ON/);
  const findings = await examine(manager, { branchCount: 16 });
  const bad = findings.filter(({ outcome }) => outcome === 'failed' || outcome === 'warning');
  assert.deepEqual(
    bad.map(({ step, outcome }) => `${step}: ${outcome}`),
    ['version: failed', 'connections: failed', 'durability: warning'],
  );
  assert.match(bad[1]?.mend ?? '', /max_connections to 19/);
  assert.match(bad[2]?.mend ?? '', /innodb_flush_log_at_trx_commit = 1/);
  await manager.close();
});

test('MariaDB: without the right to make them, missing tables are told with the SQL that makes them', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  await story.outside.query('drop table posthorn_marker, posthorn_witness');
  const user = `limited_${story.database.name.slice(-8)}`;
  await story.outside.query(`create user '${user}'@'%' identified by 'secret'`);
  await story.outside.query(`grant select, insert, update, delete on ${story.database.name}.* to '${user}'@'%'`);
  try {
    const url = Object.assign(new URL(story.database.connectionString), { username: user, password: 'secret' });
    const { setup } = story.open({ connectionString: url.href }).resourceManager;
    await assert.rejects(setup.createTables(), { code: 'RESOURCE_TABLES_MISSING', message: /engine = InnoDB/ });
    // Made by somebody who may, they are all that the login needs.
    for (const statement of setup.sql.split(';\n').filter((text) => text.trim() !== ''))
      await story.outside.query(statement);
    await setup.createTables();
    const findings = await examine({ setup }, { tables: ['stock'] });
    assert.deepEqual(
      findings.filter(({ outcome }) => outcome === 'failed'),
      [],
    );
  } finally {
    await story.outside.query(`drop user '${user}'@'%'`);
  }
});

test('MariaDB: a commit that finds the marker table dropped is refused with what a start does about it', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { branch, client } = await story.branch();
  await client.query('insert into stock values (1, 1)');
  await branch.end();
  await story.outside.query('drop table posthorn_marker');
  const answer = await branch.commitWithMarker();
  assert.equal(answer.kind, 'refused');
  const { code, message } = ('error' in answer ? answer.error : undefined) as PosthornError;
  assert.equal(code, 'RESOURCE_TABLES_MISSING');
  assert.match(message, /were there in database 'stock', and are gone.* Start its endpoints again/);
  assert.deepEqual(await story.items(), []);
});

test('MariaDB: without the right to write the marker row, a commit is refused with the table and the GRANT', async (t) => {
  await using story = await MysqlStory.begin(t);
  if (story === undefined) return;
  const { name } = story.database;
  const user = `limited_${name.slice(-8)}`;
  await story.outside.query(`create user '${user}'@'%' identified by 'secret'`);
  await story.outside.query(`grant select, insert, update, delete on ${name}.stock to '${user}'@'%'`);
  try {
    const url = Object.assign(new URL(story.database.connectionString), { username: user, password: 'secret' });
    const { resourceManager } = story.open({ connectionString: url.href });
    const branch = await resourceManager.begin({
      id: story.nextId(),
      isolationLevel: 'read committed',
      idleMsMax: 60_000,
    });
    await (branch.client as MysqlClient).query('insert into stock values (1, 1)');
    await branch.end();
    const answer = await branch.commitWithMarker();
    assert.equal(answer.kind, 'refused');
    const { code, what, mend } = ('error' in answer ? answer.error : undefined) as PosthornError;
    assert.equal(code, 'RESOURCE_UNFIT');
    assert.match(what, /'stock'.* its login limited_.*@% may not write posthorn_marker \(INSERT command denied/);
    assert.equal(
      mend,
      `Run there: GRANT SELECT, INSERT, UPDATE, DELETE ON \`${name}\`.posthorn_marker TO '${user}'@'%';`,
    );
    assert.deepEqual(await story.items(), []);
  } finally {
    await story.outside.query(`drop user '${user}'@'%'`);
  }
});

async function examine(
  { setup }: Pick<ResourceManager, 'setup'>,
  { tables = [], branchCount = 4 }: { readonly tables?: readonly string[]; readonly branchCount?: number } = {},
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  await setup.examine({ tables, branchCount, tell: (finding) => findings.push(finding) });
  for (const { step, outcome, mend } of findings) {
    if (outcome === 'failed' || outcome === 'warning') assert.ok(mend, `${step} names its mend`);
  }
  return findings;
}
