import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { nodeIo } from '../../src/io/node-io.ts';
import { readOwnerRecord, writeOwnerRecord } from '../../src/store/owner-record.ts';
import { APPLICATION_ID, MIGRATIONS } from '../../src/store/schema.ts';
import { openStore } from '../../src/store/worker-store.ts';
import { requireCapability } from '../support/capabilities.ts';
import { mountTmpfs, whyNoTmpfs } from '../support/tmpfs.ts';
import { endOf, linesOf, startChild } from './child-process.ts';
import { bodiesOf, PLACES, put, temporaryDirectories, withCode } from './store-fixture.ts';

const newDirectory = temporaryDirectories();
const open = (directory: string, more: { waitForOwnerMs?: number } = {}) =>
  openStore({ directory, io: nodeIo(), ...more });

/** A closed store with one message in place 1. */
async function makeStore(directory: string): Promise<void> {
  const store = await open(directory);
  await store.commit({ operations: [...PLACES, put(1, 1, 'kept')] });
  await store.close();
}

/** Names and content hashes of all files: two equal ones mean that nothing was touched. */
function fingerprint(directory: string): Record<string, string> {
  const entries = readdirSync(directory).map((file) => {
    const hash = createHash('sha256')
      .update(readFileSync(join(directory, file)))
      .digest('hex');
    return [file, hash] as const;
  });
  return Object.fromEntries(entries);
}

function changeHeader(directory: string, pragma: string): void {
  const database = new DatabaseSync(join(directory, 'posthorn.db'));
  database.exec(pragma);
  database.close();
}

describe('a directory that is not ours', () => {
  test('a file that is no database is refused and left as it is', async () => {
    const directory = newDirectory();
    mkdirSync(directory);
    writeFileSync(join(directory, 'posthorn.db'), 'meeting notes\n'.repeat(1000));
    const before = fingerprint(directory);
    await assert.rejects(open(directory), withCode('NOT_A_STORE'));
    assert.deepEqual(fingerprint(directory), before);
  });

  test("another program's database is refused and left as it is", async () => {
    const directory = newDirectory();
    mkdirSync(directory);
    const database = new DatabaseSync(join(directory, 'posthorn.db'));
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE bookmarks(url); PRAGMA application_id = 1234');
    database.close();
    const before = fingerprint(directory);
    await assert.rejects(open(directory), withCode('NOT_A_STORE'));
    assert.deepEqual(fingerprint(directory), before);
  });

  test('a path that is a file, or lies under one, is refused', async () => {
    const file = newDirectory();
    writeFileSync(file, 'x');
    await assert.rejects(open(file), withCode('STORE_UNREACHABLE'));
    await assert.rejects(open(join(file, 'below')), withCode('STORE_UNREACHABLE'));
    assert.equal(readFileSync(file, 'utf8'), 'x');
  });

  test('fault 21: a read-only file system is refused, and nothing is created', async (t) => {
    if (!requireCapability(t, 'tmpfs', whyNoTmpfs)) return;
    const tmpfs = mountTmpfs(t, 32 * 1024 * 1024);
    await makeStore(join(tmpfs.directory, 'full'));
    tmpfs.setReadOnly();
    const before = fingerprint(join(tmpfs.directory, 'full'));
    await assert.rejects(open(join(tmpfs.directory, 'full')), withCode('STORE_UNREACHABLE'));
    await assert.rejects(open(join(tmpfs.directory, 'new')), withCode('STORE_UNREACHABLE'));
    assert.deepEqual(fingerprint(join(tmpfs.directory, 'full')), before);
    assert.deepEqual(readdirSync(tmpfs.directory), ['full']);
    tmpfs.setWritable();
    const store = await open(join(tmpfs.directory, 'full'));
    assert.deepEqual(await bodiesOf(store, 1), ['kept']);
    await store.close();
  });
});

describe('a store that lost something', () => {
  for (const [how, lose] of Object.entries({
    missing: (path: string) => rmSync(path),
    empty: (path: string) => truncateSync(path),
  })) {
    test(`fault 8: a database that is ${how} beside its owner record is not taken for a new store`, async () => {
      const directory = newDirectory();
      await makeStore(directory);
      lose(join(directory, 'posthorn.db'));
      const before = fingerprint(directory);
      await assert.rejects(open(directory), withCode('STORE_DAMAGED'));
      assert.deepEqual(fingerprint(directory), before);
    });
  }

  test('a damaged tree of the database stops the store and is never taken for empty', async () => {
    const directory = newDirectory();
    const filled = await open(directory);
    await filled.commit({ operations: PLACES });
    for (let position = 0; position < 200; position++) {
      await filled.commit({ operations: [put(1, position, 'x'.repeat(3000))] });
    }
    await filled.close();
    const path = join(directory, 'posthorn.db');
    const bytes = readFileSync(path);
    // Everything but the schema's pages is overwritten.
    bytes.fill(0xa5, 10 * 8192);
    writeFileSync(path, bytes);
    const store = await open(directory);
    assert.equal(store.opened.places[0]?.messageCount, 200);
    await assert.rejects(bodiesOf(store, 1), withCode('STORE_DAMAGED'));
    assert.equal(store.condition.state, 'failed');
    await assert.rejects(store.commit({ operations: [put(1, 1000, 'x')] }), withCode('STORE_FAILED'));
    await store.close();
  });

  test('a header that was overwritten is damage, not another program', async () => {
    const directory = newDirectory();
    await makeStore(directory);
    const path = join(directory, 'posthorn.db');
    const bytes = readFileSync(path);
    bytes.fill(0, 0, 64);
    writeFileSync(path, bytes);
    await assert.rejects(open(directory), withCode('STORE_DAMAGED'));
  });

  test('a creation that was cut off before its first table is begun anew', async () => {
    const directory = newDirectory();
    mkdirSync(directory);
    const database = new DatabaseSync(join(directory, 'posthorn.db'));
    database.exec('PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL');
    database.close();
    await makeStore(directory);
    const empty = newDirectory();
    mkdirSync(empty);
    writeFileSync(join(empty, 'posthorn.db'), '');
    await makeStore(empty);
  });
});

describe('versions of the store', () => {
  test('fault 20: a newer version is refused, bytes unchanged', async () => {
    const directory = newDirectory();
    await makeStore(directory);
    changeHeader(directory, `PRAGMA user_version = ${MIGRATIONS.length}`);
    const before = fingerprint(directory);
    await assert.rejects(open(directory), withCode('NEWER_STORE'));
    assert.deepEqual(fingerprint(directory), before);
  });

  test('fault 19: an older version is migrated and keeps its messages', async () => {
    const directory = newDirectory();
    makeVersion0(directory);
    const store = await open(directory);
    assert.deepEqual(await bodiesOf(store, 1), ['from version 0']);
    assert.equal(store.opened.nextSequence, 42);
    assert.deepEqual(store.opened.places, [
      { place: 1, kind: 'queue', queue: 'orders', messageCount: 1, byteCount: 16 },
    ]);
    assert.deepEqual(
      (await store.readDue(100, 10)).map(({ deadlineMs }) => deadlineMs),
      [77],
    );
    await store.close();
    changeHeader(directory, 'SELECT 1');
    const database = new DatabaseSync(join(directory, 'posthorn.db'), { readOnly: true });
    assert.deepEqual({ ...database.prepare('PRAGMA user_version').get() }, { user_version: MIGRATIONS.length - 1 });
    const indexes = database.prepare("SELECT name FROM sqlite_master WHERE type = 'index' AND sql NOT NULL").all();
    assert.deepEqual(
      indexes.map(({ name }) => name),
      ['message_deadline'],
    );
    database.close();
  });

  test('fault 19: a store killed in the middle of its migration still opens', async () => {
    const directory = newDirectory();
    makeVersion0(directory);
    const killed = startChild('migrate-and-die.ts', [directory]);
    assert.deepEqual(await endOf(killed), { code: null, signal: 'SIGKILL' });
    assert.ok(existsSync(join(directory, 'posthorn.db-wal')), 'the child died while it wrote');
    const store = await open(directory);
    assert.deepEqual(await bodiesOf(store, 1), ['from version 0']);
    await store.close();
  });
});

describe('the owner of a directory', () => {
  test('fault 17: a second process is refused and told the first, which is untouched', async () => {
    const directory = newDirectory();
    const child = startChild('hold-store.ts', [directory, 'queue-manager']);
    await linesOf(child).next();
    const before = readOwnerRecord(directory);
    assert.equal(before?.pid, child.pid);
    await assert.rejects(open(directory, { waitForOwnerMs: 10_000 }), (error) => {
      assert.match(String(error), new RegExp(`queue manager, process ${child.pid} on .*stop process ${child.pid}`));
      return withCode('STORE_OWNED')(error);
    });
    assert.deepEqual(readOwnerRecord(directory), before);
    child.kill('SIGKILL');
    await endOf(child);
    const store = await open(directory);
    assert.equal(store.opened.wasClosedCleanly, false);
    await store.close();
  });

  test('a queue manager waits while a CLI verb holds the directory, and is told so when it does not end', async () => {
    const directory = newDirectory();
    const child = startChild('hold-store.ts', [directory, 'cli']);
    await linesOf(child).next();
    await assert.rejects(open(directory), (error) => {
      assert.match(String(error), /a command of the posthorn CLI, process \d+/);
      return withCode('STORE_OWNED')(error);
    });
    const waiting = open(directory, { waitForOwnerMs: 10_000 });
    child.stdin.end('close\n');
    const store = await waiting;
    await store.close();
    assert.deepEqual(await endOf(child), { code: 0, signal: null });
  });

  test('fault 18: a record left by a power loss, with a pid that lives again, does not lock anybody out', async () => {
    const directory = newDirectory();
    await makeStore(directory);
    const old = readOwnerRecord(directory);
    assert.ok(old !== undefined);
    const { endedAt: _, ...running } = old;
    writeOwnerRecord(directory, { ...running, pid: process.ppid, bootId: 'another boot' });
    const store = await open(directory);
    assert.equal(readOwnerRecord(directory)?.pid, process.pid);
    await store.close();
  });

  test('a copy of the directory under another path is another store to the lock', async () => {
    const directory = newDirectory();
    await makeStore(directory);
    const copy = newDirectory();
    cpSync(directory, copy, { recursive: true });
    const [first, second] = [await open(directory), await open(copy)];
    assert.equal(first.opened.storeId, second.opened.storeId);
    await Promise.all([first.close(), second.close()]);
  });
});

/** A store as version 0 wrote it: without the index on deadlines. */
function makeVersion0(directory: string): void {
  mkdirSync(directory);
  const database = new DatabaseSync(join(directory, 'posthorn.db'));
  database.exec('PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL');
  MIGRATIONS[0]?.(database, '00000000-0000-4000-8000-000000000000');
  database.exec(`
    PRAGMA application_id = ${APPLICATION_ID};
    INSERT INTO place VALUES(1, 'queue', 'orders', 1, 16);
    UPDATE progress SET sequence_reserved = 42;
  `);
  database
    .prepare('INSERT INTO message VALUES((1 << 48) | 5, 77, ?, ?, ?)')
    .run(crc32('{}from version 0'), Buffer.from('{}'), Buffer.from('from version 0'));
  database.close();
}
