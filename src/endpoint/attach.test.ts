import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parseAddress } from '../message/address.ts';
import { openQueueManager } from '../operations/open-queue-manager.ts';
import { type OwnerRecord, readOwnerRecord, writeOwnerRecord } from '../store/owner-record.ts';
import { attach } from './attach.ts';

function setup() {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-attach-'));
  const ownerRecord = (): OwnerRecord => {
    const record = readOwnerRecord(directory);
    assert.ok(record);
    return record;
  };
  return {
    directory,
    ownerRecord,
    attachToSend: () => attach({ sendOnly: true, directory }),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

describe('what a send-only endpoint stands on', () => {
  test('an owner that tells its name after it was looked for is sent through', async () => {
    using story = setup();
    await using manager = await openQueueManager({ directory: story.directory });
    const record = story.ownerRecord();
    writeOwnerRecord(story.directory, { ...record, endedAt: record.startedAt });
    const attaching = story.attachToSend();
    writeOwnerRecord(story.directory, record);
    const attachment = await attaching;
    assert.equal(attachment.transport, undefined, 'it goes over the control socket');
    await attachment.dispatcher.dispatch([
      { destination: parseAddress('sales'), headers: {}, body: Buffer.from('{}'), priority: 3 },
    ]);
    await attachment.release();
    assert.deepEqual(
      manager.status().map(({ queue, messages }) => [queue, messages]),
      [['sales', 1]],
    );
  });

  test('a directory whose owner ends while it is asked is opened', { timeout: 5_000 }, async () => {
    using story = setup();
    await (await openQueueManager({ directory: story.directory })).close();
    const ended = story.ownerRecord();
    const { endedAt, ...running } = ended;
    assert.ok(endedAt);
    writeOwnerRecord(story.directory, running);
    const attaching = story.attachToSend();
    writeOwnerRecord(story.directory, ended);
    const attachment = await attaching;
    assert.ok(attachment.transport);
    await attachment.release();
  });

  test('several in one process that come together share what the first of them opens', async () => {
    using story = setup();
    const attachments = await Promise.all([story.attachToSend(), story.attachToSend(), story.attachToSend()]);
    assert.deepEqual(
      attachments.map(({ transport }) => transport !== undefined),
      [true, true, true],
    );
    await Promise.all(attachments.map((attachment) => attachment.release()));
    assert.ok(story.ownerRecord().endedAt);
  });

  test('an endpoint that wants to receive is refused what another owns', async () => {
    using story = setup();
    await using _manager = await openQueueManager({ directory: story.directory });
    await assert.rejects(attach({ directory: story.directory }), { code: 'STORE_OWNED' });
  });
});
