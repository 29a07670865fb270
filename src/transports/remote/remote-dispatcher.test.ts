import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { nodeIo } from '../../io/node-io.ts';
import { parseAddress } from '../../message/address.ts';
import { PosthornError } from '../../message/posthorn-error.ts';
import { openQueueManager } from '../../operations/open-queue-manager.ts';
import type { OutgoingMessage } from '../../transport/transport.ts';
import { connectRemoteDispatcher } from './remote-dispatcher.ts';

const order: OutgoingMessage = {
  destination: parseAddress('sales'),
  headers: {},
  body: Buffer.from('{}'),
  priority: 3,
};

async function setup() {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-remote-'));
  const open = () => openQueueManager({ directory });
  const manager = await open();
  const connect = (timeoutMs: number) => connectRemoteDispatcher({ directory, io: nodeIo(), timeoutMs });
  return { directory, open, manager, connect, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

describe('sends through the owner of a directory', () => {
  test('when it has ended and nobody follows in time, a send says that no queue manager runs there', async () => {
    using story = await setup();
    const dispatcher = await story.connect(100);
    assert.ok(dispatcher);
    await story.manager.close();
    await assert.rejects(dispatcher.dispatch([order]), (error) => {
      assert.ok(error instanceof PosthornError);
      assert.equal(error.code, 'QUEUE_MANAGER_NOT_RUNNING');
      assert.match(error.message, /^No queue manager runs on '.*': .*nothing was sent/);
      assert.match(error.mend, /posthorn host/);
      return true;
    });
    await dispatcher.close();
  });

  test('the next owner takes what was sent while there was none', async () => {
    using story = await setup();
    const dispatcher = await story.connect(30_000);
    assert.ok(dispatcher);
    await story.manager.close();
    const sending = dispatcher.dispatch([order]);
    await using next = await story.open();
    await sending;
    await dispatcher.close();
    assert.equal(next.status()[0]?.messages, 1);
  });

  test('where nobody owns the directory there is nothing to connect to', async () => {
    using story = await setup();
    await story.manager.close();
    assert.equal(await story.connect(100), undefined);
  });
});
