import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { PAGE_BYTES } from '../../src/store/schema.ts';
import { openStore } from '../../src/store/worker-store.ts';
import { bodiesOf, PLACES, put, temporaryDirectories } from './store-fixture.ts';

const newDirectory = temporaryDirectories();
const DATABASE = 'posthorn.db';
const BODIES = Array.from({ length: 40 }, (_, number) => `${number} `.padEnd(4000, 'x'));

/** What a process leaves that dies with everything in its log and nothing copied into the database. */
async function dieWithLog(directory: string): Promise<void> {
  const opened = newDirectory();
  const store = await openStore({ directory: opened, io: nodeIo() });
  await store.commit({ operations: PLACES });
  for (const [position, body] of BODIES.entries()) await store.commit({ operations: [put(1, position, body)] });
  cpSync(opened, directory, { recursive: true });
  await store.close();
}

/** The database as the whole copy of its log would leave it. */
function wholeCopy(directory: string): Buffer {
  const copied = newDirectory();
  mkdirSync(copied);
  for (const file of [DATABASE, `${DATABASE}-wal`]) copyFileSync(join(directory, file), join(copied, file));
  const database = new DatabaseSync(join(copied, DATABASE));
  database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
  return readFileSync(join(copied, DATABASE));
}

describe('a store whose process died while it copied its log into the database', () => {
  test('opens with everything in it, wherever the copy was cut off', async () => {
    const directory = newDirectory();
    await dieWithLog(directory);
    const whole = wholeCopy(directory);
    const before = readFileSync(join(directory, DATABASE));
    const pageCount = whole.byteLength / PAGE_BYTES;
    assert.ok(pageCount > before.byteLength / PAGE_BYTES, 'the copy would make the database grow');
    for (const copiedPages of [1, 2, Math.floor(pageCount / 2), pageCount - 1]) {
      const cut = newDirectory();
      cpSync(directory, cut, { recursive: true });
      const copied = whole.subarray(0, copiedPages * PAGE_BYTES);
      writeFileSync(join(cut, DATABASE), Buffer.concat([copied, before.subarray(copied.byteLength)]));
      const store = await openStore({ directory: cut, io: nodeIo() });
      assert.deepEqual(await bodiesOf(store, 1), BODIES, `cut off after ${copiedPages} of ${pageCount} pages`);
      await store.close();
    }
  });
});
