import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isPosthornError } from '../message/posthorn-error.ts';
import { QueueManager } from '../queues/queue-manager.ts';
import { declareQueue } from './declare-queue.ts';

describe('making a queue', () => {
  test('keeps the settings that are not given, and null takes a limit away; over a restart too', async () => {
    await using directory = new TestDirectory();
    const manager = await directory.open();
    const made = await declareQueue(manager, { queue: 'orders', settings: { quotaMessages: 10, journal: true } });
    assert.deepEqual(made, { queue: 'orders', wasThere: false, settings: { quotaMessages: 10, journal: true } });
    const changed = await declareQueue(manager, {
      queue: 'orders@ALPHA',
      settings: { quotaMessages: null, acceptFrom: ['beta'] },
    });
    assert.deepEqual(changed, { queue: 'orders', wasThere: true, settings: { journal: true, acceptFrom: ['beta'] } });
    const again = await declareQueue(await directory.open(), { queue: 'orders', settings: {} });
    assert.deepEqual(again.settings, { journal: true, acceptFrom: ['beta'] });
  });

  test('of another machine, or with settings that are none, is refused, and nothing is made', async () => {
    await using directory = new TestDirectory();
    const manager = await directory.open();
    await assert.rejects(declareQueue(manager, { queue: 'orders@beta', settings: {} }), (error) =>
      isPosthornError(error, 'QUEUE_ON_OTHER_MACHINE'),
    );
    await assert.rejects(declareQueue(manager, { queue: 'orders', settings: { acceptFrom: ['a b'] } }), (error) =>
      isPosthornError(error, 'INVALID_ADDRESS'),
    );
    for (const settings of [{ quotaMessages: -1 }, { journal: 'yes' }, { colour: 'red' }, { acceptFrom: [1] }]) {
      const request = { queue: 'orders', settings } as unknown as Parameters<typeof declareQueue>[1];
      await assert.rejects(declareQueue(manager, request), (error) => isPosthornError(error, 'INVALID_REQUEST'));
    }
    assert.deepEqual(manager.status(), []);
  });
});

class TestDirectory implements AsyncDisposable {
  readonly #path = mkdtempSync(join(tmpdir(), 'posthorn-declare-'));
  #manager: QueueManager | undefined;

  /** Opens it again when it was open. */
  async open(): Promise<QueueManager> {
    await this.#manager?.close();
    this.#manager = await QueueManager.open({ directory: this.#path, machine: 'alpha' });
    return this.#manager;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#manager?.close();
    rmSync(this.#path, { recursive: true, force: true });
  }
}
