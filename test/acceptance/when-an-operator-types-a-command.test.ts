import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { jsonLines, posthorn, startPosthorn, temporaryDirectory } from '../support/command-line.ts';
import { failOrders, idsIn } from '../support/failed-orders.ts';

describe('when an operator types a command', { concurrency: 2 }, () => {
  test('a wrong verb or option names the nearest, and the exit code says usage', async () => {
    const wrong: readonly [readonly string[], RegExp][] = [
      [['queus'], /unknown command 'queus'[\s\S]*queues/],
      [['queues', '--jsn'], /unknown option '--jsn'[\s\S]*--json/],
      [['errors', 'lst'], /unknown command 'lst'[\s\S]*list/],
      [['return-to-sorce', 'error', 'all'], /return-to-source/],
      [['errors', 'list', '--filter', 'exeption=x'], /'exception'/],
      [['errors', 'list', '--older-than', 'soon'], /--older-than 'soon'[\s\S]*1h/],
      [['peek'], /missing required argument 'queue'/],
      [['queues', 'more'], /too many arguments/],
      [['return-to-source', 'error', 'all', '--rate', '0'], /--rate/],
      [['return-to-source', 'error', 'all', 'order-1'], /'all' and ids/],
      [['send', 'or ders', '--body', '{}'], /character that is not allowed/],
      [['send', 'orders', '--body', '{'], /not JSON/],
      [['send', 'orders', '--body', '{}', '--header', '__proto__=x'], /never allowed/],
      [['host', 'x.ts', '--role', 'master'], /'server' or 'client'/],
    ];
    using data = temporaryDirectory();
    await failOrders(data.path, 1);
    for (const [given, text] of wrong) {
      const result = await posthorn(given, { env: { POSTHORN_DIRECTORY: data.path } });
      assert.match(result.stderr, text, given.join(' '));
      assert.equal(result.exitCode, 2, given.join(' '));
      assert.equal(result.stdout, '', given.join(' '));
    }
    assert.deepEqual(await idsIn(data.path, 'error'), ['order-0']);
  });

  test('a verb that needs to ask does not hang where nobody can be asked', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 2);
    for (const given of [['return-to-source'], ['return-to-source', 'error'], ['purge', 'error']]) {
      const result = await posthorn([...given, '--directory', data.path]);
      assert.equal(result.exitCode, 2, given.join(' '));
      assert.match(result.stderr, /posthorn return-to-source error all|--yes/);
    }
    assert.equal((await idsIn(data.path, 'error')).length, 2);
  });

  test('a directory that is not there, is empty or is something else is named, and nothing is made in it', async () => {
    using data = temporaryDirectory();
    const missing = join(data.path, 'missing');
    const empty = join(data.path, 'empty');
    const other = join(data.path, 'other');
    mkdirSync(empty);
    mkdirSync(other);
    writeFileSync(join(other, 'notes.txt'), 'mine');
    for (const directory of [missing, empty, other, join(other, 'notes.txt')]) {
      for (const given of [
        ['queues'],
        ['errors', 'list'],
        ['return-to-source', 'error', 'all'],
        ['send', 'orders', '--body', '{}'],
      ]) {
        const result = await posthorn([...given, '--directory', directory]);
        assert.equal(result.exitCode, 1, `${given.join(' ')} on ${directory}`);
        assert.ok(result.stderr.includes(directory) && result.stderr.includes('--directory'), result.stderr);
      }
    }
    assert.equal(existsSync(missing), false);
    assert.deepEqual(readdirSync(empty), []);
    assert.deepEqual(readdirSync(other), ['notes.txt']);
  });

  test('--create makes the directory and the queue of a send', async () => {
    using data = temporaryDirectory();
    const directory = join(data.path, 'new');
    const sent = await posthorn([
      'send',
      'orders',
      '--body',
      '{"a":1}',
      '--id',
      'first',
      '--create',
      '--directory',
      directory,
      '--json',
    ]);
    assert.deepEqual(
      [sent.exitCode, jsonLines(sent.stdout)],
      [0, [{ messageId: 'first', destination: 'orders', bodyBytes: 7 }]],
    );
    const typo = await posthorn(['send', 'order', '--body', '{}', '--directory', directory]);
    assert.equal(typo.exitCode, 2);
    assert.match(typo.stderr, /'orders'[\s\S]*--create/);
    assert.deepEqual(await idsIn(directory, 'orders'), ['first']);
  });

  test('a directory that may only be read, or not even that, is refused with the reason', async () => {
    using data = temporaryDirectory();
    const directory = join(data.path, 'store');
    await failOrders(directory, 1);
    for (const mode of [0o500, 0o000]) {
      chmodSync(directory, mode);
      for (const given of [
        ['errors', 'list'],
        ['send', 'billing', '--body', '{}'],
      ]) {
        const result = await posthorn([...given, '--directory', directory], { isBoundByPermissions: true });
        assert.equal(result.exitCode, 1, result.stderr);
        assert.match(result.stderr, /cannot be used: .*(EACCES|permission|read-?only)/i);
        assert.ok(result.stderr.includes(directory), result.stderr);
      }
    }
    chmodSync(directory, 0o700);
    assert.deepEqual(await idsIn(directory, 'error'), ['order-0']);
  });

  test('the same question is answered as a table and as JSON lines', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 6);
    const directory = ['--directory', data.path];
    const table = await posthorn(['errors', 'list', ...directory]);
    assert.match(
      table.stdout,
      /^ID +FAILED +TYPE +IN +CAUSE\norder-0 +1h +Billing\.Charge +billing +CardDeclined: card declined for order 0\n/,
    );
    const list = jsonLines((await posthorn(['errors', 'list', '--json', ...directory])).stdout);
    assert.deepEqual(
      list.map(({ id }) => id),
      ['order-0', 'order-1', 'order-2', 'order-3', 'order-4', 'order-5'],
    );
    const groups = jsonLines((await posthorn(['errors', 'group', '--json', ...directory])).stdout);
    assert.deepEqual(
      groups.map(({ count, exceptionType, frame, messageType }) => ({ count, exceptionType, frame, messageType })),
      [
        {
          count: 4,
          exceptionType: 'TimeoutError',
          frame: 'charge (shop/src/billing.ts:24)',
          messageType: 'Billing.Charge',
        },
        {
          count: 2,
          exceptionType: 'CardDeclined',
          frame: 'declineCard (shop/src/billing.ts:24)',
          messageType: 'Billing.Charge',
        },
      ],
    );
    const [shown] = jsonLines((await posthorn(['errors', 'show', 'order-4', '--json', ...directory])).stdout);
    assert.equal(shown?.body, '{"orderId":"4"}');
    const queues = jsonLines((await posthorn(['queues', '--json', ...directory])).stdout);
    assert.deepEqual(
      queues.map(({ queue, messages }) => [queue, messages]),
      [
        ['billing', 0],
        ['error', 6],
      ],
    );
    const filtered = await posthorn([
      'errors',
      'list',
      '--exception',
      'declined',
      '--filter',
      'older-than=30m',
      '--json',
      ...directory,
    ]);
    assert.deepEqual(
      jsonLines(filtered.stdout).map(({ id }) => id),
      ['order-0', 'order-3'],
    );
  });

  test('messages go back by id, by the beginning of an id, and what is not there is told', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 30);
    const directory = ['--directory', data.path];
    const several = await posthorn(['return-to-source', 'error', 'order-2', 'order-', 'order-77', ...directory]);
    assert.equal(several.exitCode, 1);
    assert.match(several.stderr, /Several messages .* begins with 'order-'/);
    assert.equal((await idsIn(data.path, 'billing')).length, 0);
    const some = await posthorn(['return-to-source', 'error', 'order-2', 'order-29', 'order-77', ...directory]);
    assert.equal(some.exitCode, 1, 'one of them was not there');
    assert.match(some.stderr, /no message 'order-77'/);
    assert.deepEqual(await idsIn(data.path, 'billing'), ['order-2', 'order-29']);
  });

  test('a dry run says what would be done and does nothing', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 6);
    const planned = await posthorn([
      'return-to-source',
      'error',
      '--exception',
      'declined',
      '--dry-run',
      '--json',
      '--directory',
      data.path,
    ]);
    assert.deepEqual(jsonLines(planned.stdout), [
      {
        dryRun: true,
        queue: 'error',
        total: 2,
        destinations: [{ destination: 'billing@shop', count: 2 }],
        left: { noSource: 0, locked: 0 },
      },
    ]);
    assert.equal((await idsIn(data.path, 'error')).length, 6);
  });

  test('purge and move work on what the filter means, and say how much', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 300);
    const directory = ['--directory', data.path];
    const moved = await posthorn(['move', 'error', 'billing', '--exception', 'declined', '--json', ...directory]);
    assert.deepEqual(jsonLines(moved.stdout), [
      { queue: 'error', to: 'billing', moved: 100, locked: 0, isComplete: true },
    ]);
    const purged = await posthorn(['purge', 'error', '--yes', '--json', ...directory]);
    assert.deepEqual(jsonLines(purged.stdout), [{ queue: 'error', purged: 200, locked: 0, isComplete: true }]);
    const left = await posthorn(['peek', 'billing', 'order-3', '--json', ...directory]);
    assert.equal(
      (jsonLines(left.stdout)[0]?.headers as Record<string, string> | undefined)?.['NServiceBus.FailedQ'],
      'billing@shop',
    );
    const nowhere = await posthorn(['move', 'billing', 'biling', ...directory]);
    assert.equal(nowhere.exitCode, 1);
    assert.match(nowhere.stderr, /'billing'/);
    const inPlace = await posthorn(['move', 'billing', 'billing', ...directory]);
    assert.equal(inPlace.exitCode, 2);
    assert.match(inPlace.stderr, /'to' is 'billing', the queue that the messages are in\. Name another queue/);
  });

  test('a delayed message is shown as one, with the time when it is due', async () => {
    using data = temporaryDirectory();
    const directory = ['--directory', data.path];
    const given = ['send', 'orders', '--body', '{}', '--id', 'later', '--delay', '1h', '--create', ...directory];
    assert.equal((await posthorn(given)).exitCode, 0);
    const list = await posthorn(['peek', 'orders', '--delayed', ...directory]);
    assert.match(list.stdout, /^ID +SENT +TYPE +PRIO +SIZE +DUE IN +BODY\nlater .* (?:1h|59m) /);
    const whole = await posthorn(['peek', 'orders', 'later', '--delayed', ...directory]);
    assert.match(whole.stdout, /^Queue +orders, delayed, priority \d$/m);
    assert.match(whole.stdout, /^Due +\d{4}-/m);
    const json = await posthorn(['peek', 'orders', 'later', '--delayed', '--json', ...directory]);
    const { sentAt, dueAt } = jsonLines(json.stdout)[0] as { sentAt: string; dueAt: string };
    assert.ok(Math.abs(Date.parse(dueAt) - Date.parse(sentAt) - 3_600_000) < 60_000, json.stdout);
  });

  test('a reader that has enough ends the verb without noise', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 3000);
    const list = startPosthorn(['errors', 'list', '--count', 'all', '--directory', data.path]);
    list.process.stdout?.once('data', () => list.process.stdout?.destroy());
    const result = await list.ended;
    assert.deepEqual([result.exitCode, result.stderr], [0, '']);
  });

  test('an error is JSON too when JSON was asked for', async () => {
    using data = temporaryDirectory();
    const result = await posthorn(['queues', '--json', '--directory', data.path]);
    const { error } = JSON.parse(result.stderr) as { error: { code: string; mend: string } };
    assert.equal(error.code, 'NO_QUEUE_MANAGER');
    assert.match(error.mend, /--directory/);
    assert.equal(result.stdout, '');
  });
});
