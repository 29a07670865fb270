import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { silentLogger } from '../../src/io/logger.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import { type CommandResult, fixture, jsonLines, posthorn, temporaryDirectory } from '../support/command-line.ts';
import { resourceView, transactionView } from '../support/fake-transactions.ts';
import { OperatedMachine } from '../support/operated-machine.ts';
import {
  freshDatabase,
  requireMariadb,
  requirePostgres,
  requireUnpreparedPostgres,
} from '../support/test-databases.ts';

describe('when the doctor looks', { concurrency: 2 }, () => {
  test('at a machine on which a queue manager runs, all is told and nothing is wrong', async () => {
    using directory = temporaryDirectory();
    await using _manager = await openQueueManager({
      directory: directory.path,
      machine: 'alpha',
      logger: silentLogger,
    });
    const told = await posthorn(['doctor', '--directory', directory.path]);
    assert.equal(told.exitCode, 0, told.stdout + told.stderr);
    for (const step of ['Node.js', 'store', 'disk', 'clock', 'listener', 'outgoing', 'transactions']) {
      assert.match(told.stdout, new RegExp(`^ {2}(ok|warn) +${step} `, 'm'), told.stdout);
    }
    assert.match(told.stdout, /alpha, .*: a queue manager runs in process \d+/);
    assert.match(told.stdout, /\n\nNothing is wrong\./);
  });

  test('at a machine whose transactions wait for somebody, it says which and where to go on', async () => {
    await using machine = await OperatedMachine.start();
    machine.fake.transactions = [transactionView(1), transactionView(2, { state: 'heuristic', ageMs: 7_200_000 })];
    machine.fake.resources = [resourceView('orders', { state: 'fenced' })];
    const told = await machine.posthorn('doctor', '--json');
    assert.equal(told.exitCode, 1);
    const finding = jsonLines(told.stdout).find(({ step }) => step === 'transactions');
    assert.deepEqual([finding?.subject, finding?.outcome], ['machine', 'failed']);
    assert.match(String(finding?.text), /^1 committing, 1 HEURISTIC, the oldest for 2h: orders is fenced, P1\./);
    assert.match(String(finding?.mend), /posthorn transactions list/);
  });

  test('at a directory with a broken network.json and none running, it names the file', async () => {
    using directory = temporaryDirectory();
    await (await openQueueManager({ directory: directory.path, machine: 'alpha', logger: silentLogger })).close();
    writeFileSync(join(directory.path, 'network.json'), '{');
    const told = await posthorn(['doctor', '--directory', directory.path]);
    assert.equal(told.exitCode, 1);
    assert.match(told.stdout, /^ {2}FAILED {2}network +.*network\.json/m);
    assert.match(told.stdout, /1 step failed: machine \(network\)\./);
  });

  test('a store that is missing is wrong by itself, and is not yet needed to look at databases', async () => {
    using directory = temporaryDirectory();
    const nowhere = ['--directory', join(directory.path, 'nowhere')];
    const alone = await posthorn(['doctor', ...nowhere]);
    assert.equal(alone.exitCode, 1);
    assert.match(alone.stdout, /^ {2}FAILED {2}store +There is no queue manager/m);
    const withFile = await posthorn(['doctor', fixture('shop.ts'), ...nowhere]);
    assert.equal(withFile.exitCode, 0, withFile.stdout + withFile.stderr);
    assert.match(withFile.stdout, /^ {2}- +store +There is no queue manager/m);
    assert.match(withFile.stdout, /^ {2}- +keys .*\n\nDatabases\n {2}- +resources +these endpoints list no databases/m);
  });

  test('at a PostgreSQL and a MariaDB, every step to a real commit is told, and nothing stays behind', async (t) => {
    const [postgresServer, mariadbServer] = [requirePostgres(t), requireMariadb(t)];
    if (postgresServer === undefined || mariadbServer === undefined) return;
    await using postgres = await freshDatabase(postgresServer);
    await using mariadb = await freshDatabase(mariadbServer);
    using directory = temporaryDirectory();
    const told = await doctor(directory.path, [
      { kind: 'postgres', name: 'orders', connectionString: postgres.connectionString, branchCount: 2 },
      { kind: 'mysql', name: 'stock', connectionString: mariadb.connectionString, branchCount: 2 },
    ]);
    assert.equal(told.exitCode, 0, told.stdout + told.stderr);
    const findings = jsonLines(told.stdout);
    for (const subject of ['orders', 'stock']) {
      const outcomes = findings.filter((finding) => finding.subject === subject).map(({ outcome }) => outcome);
      assert.ok(outcomes.length >= 6, `${subject}: ${told.stdout}`);
      assert.ok(!outcomes.includes('failed'));
    }
    assert.doesNotMatch(told.stdout, /posthorn:posthorn@/, 'passwords are for nobody to read');
  });

  test('at endpoint modules, a database that several endpoints share is looked at once, for all of them', async (t) => {
    const server = requirePostgres(t);
    if (server === undefined) return;
    await using database = await freshDatabase(server);
    using directory = temporaryDirectory();
    const env = { ORDERS_URL: database.connectionString };
    const given = ['doctor', fixture('shared-orders.ts'), '--directory', directory.path];
    const told = await posthorn(given, { env });
    assert.equal(told.stdout.match(/^orders: postgres, /gm)?.length, 1, told.stdout + told.stderr);
    assert.match(told.stdout, /\b10,?000\b/, 'more than any server keeps prepared: what both of them want');
  });

  test('at a PostgreSQL without prepared transactions, it names the setting', async (t) => {
    const server = requireUnpreparedPostgres(t);
    if (server === undefined) return;
    await using database = await freshDatabase(server);
    using directory = temporaryDirectory();
    const told = await doctor(directory.path, [
      { kind: 'postgres', name: 'orders', connectionString: database.connectionString },
    ]);
    assert.equal(told.exitCode, 1);
    assert.match(told.stdout, /max_prepared_transactions/);
  });

  test('at a database where nothing listens, it says so, and looks at the next', async () => {
    using directory = temporaryDirectory();
    const silent = { kind: 'mysql', connectionString: 'mysql://app:secret@127.0.0.1:1/shop' };
    const told = await doctor(directory.path, [
      { ...silent, name: 'stock' },
      { ...silent, name: 'audit' },
    ]);
    assert.equal(told.exitCode, 1);
    const failed = jsonLines(told.stdout).filter(({ outcome }) => outcome === 'failed');
    assert.deepEqual(
      failed.map(({ subject, step }) => [subject, step]),
      [
        ['stock', 'connect'],
        ['audit', 'connect'],
      ],
    );
    assert.ok(failed.every(({ mend }) => typeof mend === 'string'));
    assert.doesNotMatch(told.stdout + told.stderr, /secret/);
  });

  test('--sql prints the tables of each database, and reaches for none of them', async () => {
    using directory = temporaryDirectory();
    const file = databasesFile(directory.path, [
      { kind: 'postgres', name: 'orders', connectionString: 'postgres://app:secret@nowhere.invalid/shop' },
      { kind: 'mysql', name: 'stock', connectionString: 'mysql://app:secret@nowhere.invalid/shop' },
    ]);
    const told = await posthorn(['doctor', file, '--sql', '--directory', directory.path]);
    assert.equal(told.exitCode, 0, told.stderr);
    assert.match(told.stdout, /^-- orders: postgres, shop on nowhere\.invalid:5432 as app\n/);
    assert.match(told.stdout, /\n\n-- stock: mysql, shop on nowhere\.invalid:3306 as app\n/);
    assert.equal(told.stdout.match(/create table/gi)?.length, 4);
    assert.equal((await posthorn(['doctor', '--sql', '--directory', directory.path])).exitCode, 2);
  });

  test('a file that says what it cannot mean is wrong usage, and a password in it is not shown', async () => {
    using directory = temporaryDirectory();
    const whole = { kind: 'postgres', name: 'orders', connectionString: 'postgres://app:secret@db1/shop' };
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [{ database: [whole] }, /Did you mean 'databases'/],
      [{ databases: [] }, /is no list of databases/],
      [{ databases: [{ ...whole, connectionsString: 'x' }] }, /Did you mean 'connectionString'/],
      [{ databases: [{ ...whole, kind: 'oracle' }] }, /'postgres' or 'mysql'/],
      [{ databases: [{ ...whole, name: undefined }] }, /name' is missing/],
      [{ databases: [{ ...whole, tables: 'orders' }] }, /list of tables/],
      [{ databases: [{ ...whole, branchCount: 0 }] }, /branchCount/],
    ];
    for (const [content, expected] of wrong) {
      const file = join(directory.path, 'databases.json');
      writeFileSync(file, JSON.stringify(content));
      const told = await posthorn(['doctor', file, '--directory', directory.path]);
      assert.deepEqual([told.exitCode, told.stdout], [2, ''], told.stderr);
      assert.match(told.stderr, expected);
      assert.doesNotMatch(told.stderr, /secret/);
    }
    const file = join(directory.path, 'databases.json');
    writeFileSync(file, '{ "databases": [ secret');
    const told = await posthorn(['doctor', file]);
    assert.equal(told.exitCode, 2);
    assert.doesNotMatch(told.stderr, /secret/);
    assert.equal((await posthorn(['doctor', join(directory.path, 'nothing.json')])).exitCode, 2);
  });
});

function doctor(directory: string, databases: readonly object[]): Promise<CommandResult> {
  return posthorn(['doctor', databasesFile(directory, databases), '--json', '--directory', directory]);
}

function databasesFile(directory: string, databases: readonly object[]): string {
  const file = join(directory, 'databases.json');
  writeFileSync(file, JSON.stringify({ databases }));
  return file;
}
