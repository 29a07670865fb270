import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { jsonLines, posthorn, temporaryDirectory } from '../support/command-line.ts';
import { failOrders } from '../support/failed-orders.ts';

async function sendAs(id: string, directory: string): Promise<void> {
  const given = ['send', 'billing', '--body', '{}', '--id', id, '--directory', directory];
  assert.equal((await posthorn(given)).exitCode, 0);
}

describe('when a message is named by its id', { concurrency: 2 }, () => {
  test('six characters of an id are enough, and fewer are told to be too few', async () => {
    using data = temporaryDirectory();
    const directory = ['--directory', data.path];
    await failOrders(data.path, 1);
    assert.match((await posthorn(['errors', 'show', 'order-', ...directory])).stdout, /^Message +order-0$/m);
    for (const given of [
      ['errors', 'show', 'order'],
      ['peek', 'error', 'order'],
      ['return-to-source', 'error', 'order'],
    ]) {
      const tooShort = await posthorn([...given, ...directory]);
      assert.equal(tooShort.exitCode, 1, given.join(' '));
      assert.match(tooShort.stderr, /no message 'order'\. The beginning of an id needs 6 characters or more\./);
    }
    const unknown = await posthorn(['errors', 'show', 'order-1', ...directory]);
    assert.match(unknown.stderr, /no message 'order-1'\. Run 'posthorn peek error'/);
    assert.match((await posthorn(['peek', '--help'])).stdout, /first 6 characters suffice/);
  });

  test('several messages under one id are counted, and it is said how to see them all', async () => {
    using data = temporaryDirectory();
    const directory = ['--directory', data.path];
    await failOrders(data.path, 0);
    for (const id of ['payment-1', 'payment-1', 'payment-10']) await sendAs(id, data.path);
    const whole = await posthorn(['peek', 'billing', 'payment-1', ...directory]);
    assert.equal(whole.exitCode, 0, whole.stderr);
    assert.match(whole.stderr, /2 messages have this id; this is the first\./);
    const [, command = ''] = /^posthorn (peek .*)$/m.exec(whole.stderr) ?? [];
    const all = await posthorn([...command.split(' '), '--json', ...directory]);
    assert.deepEqual(
      jsonLines(all.stdout).map(({ id }) => id),
      ['payment-1', 'payment-1'],
    );
    const json = await posthorn(['peek', 'billing', 'payment-1', '--json', ...directory]);
    assert.equal(jsonLines(json.stdout)[0]?.sameIdCount, 2);
    const alone = await posthorn(['peek', 'billing', 'payment-10', ...directory]);
    assert.equal(alone.stderr, '');
  });
});
