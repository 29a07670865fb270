import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  fixture,
  jsonLines,
  posthorn,
  type RunningCommand,
  startPosthorn,
  startShop,
  temporaryDirectory,
} from '../support/command-line.ts';
import { idsIn } from '../support/failed-orders.ts';

async function startPatient(directory: string, stopTimeout: string): Promise<RunningCommand> {
  const host = startPosthorn(['host', fixture('patient.ts'), '--stop-timeout', stopTimeout, '--directory', directory]);
  await host.says('runs in process');
  return host;
}

async function sendPatient(directory: string, type: string, id: string): Promise<void> {
  const sent = await posthorn([
    'send',
    'patient',
    '--type',
    type,
    '--body',
    '{}',
    '--id',
    id,
    '--directory',
    directory,
  ]);
  assert.equal(sent.exitCode, 0, sent.stderr);
}

describe('when the host runs endpoints', { concurrency: 2 }, () => {
  test('queues are there before the first message, and logs are JSON lines where nobody reads', async () => {
    using data = temporaryDirectory();
    const host = await startShop(data.path);
    const queues = await posthorn(['queues', '--json', '--directory', data.path]);
    assert.deepEqual(
      jsonLines(queues.stdout).map(({ queue }) => queue),
      ['billing', 'error', 'sales'],
    );
    const stopped = await host.kill('SIGTERM');
    assert.equal(stopped.exitCode, 0);
    const lines = jsonLines(stopped.stdout);
    assert.ok(
      lines.every(
        ({ level, time, pid, msg }) =>
          level === 30 && typeof time === 'string' && pid === host.process.pid && msg !== '',
      ),
    );
    assert.equal(lines.at(-1)?.msg, 'Stopped.');
    assert.equal(stopped.stderr, '');
  });

  test('what is sent is handled, what fails is listed, and after the repair it goes back', async () => {
    using data = temporaryDirectory();
    const directory = ['--directory', data.path];
    const broken = await startShop(data.path);
    await posthorn([
      'send',
      'sales',
      '--type',
      'Sales.PlaceOrder',
      '--body',
      '{"orderId":"1","fails":"declined"}',
      ...directory,
    ]);
    await broken.says('CardDeclined');
    let failed = jsonLines((await posthorn(['errors', 'list', '--json', ...directory])).stdout);
    while (failed.length === 0) failed = jsonLines((await posthorn(['errors', 'list', '--json', ...directory])).stdout);
    assert.equal((failed[0]?.failure as { exceptionType: string } | undefined)?.exceptionType, 'CardDeclined');
    await broken.kill('SIGTERM');
    const repaired = await startShop(data.path, { env: { SHOP_REPAIRED: '1' } });
    const returned = await posthorn(['return-to-source', 'error', 'all', ...directory]);
    assert.equal(returned.stdout, "Returned 1 message from 'error' to where it failed.\n");
    await repaired.kill('SIGTERM');
    for (const queue of ['sales', 'billing', 'error']) assert.deepEqual(await idsIn(data.path, queue), [], queue);
  });

  test('SIGTERM lets handlers end, and what they did is kept', async () => {
    using data = temporaryDirectory();
    const host = await startPatient(data.path, '20s');
    await sendPatient(data.path, 'Finishes', 'first');
    await host.says('handling first');
    assert.equal((await host.kill('SIGTERM')).exitCode, 0);
    assert.deepEqual(await idsIn(data.path, 'patient'), []);
    assert.equal((await idsIn(data.path, 'done')).length, 1);
  });

  test('handlers that are not done in time are aborted, and their messages are given back unharmed', async () => {
    using data = temporaryDirectory();
    const host = await startPatient(data.path, '100ms');
    await sendPatient(data.path, 'Hangs', 'first');
    await host.says('handling first');
    const stopped = await host.kill('SIGTERM');
    assert.equal(stopped.exitCode, 0);
    assert.match(stopped.stdout, /aborted first/);
    assert.deepEqual(await idsIn(data.path, 'patient'), ['first']);
  });

  test('a second signal does not wait', async () => {
    using data = temporaryDirectory();
    const host = await startPatient(data.path, '1h');
    await sendPatient(data.path, 'Hangs', 'first');
    await host.says('handling first');
    host.process.kill('SIGTERM');
    await host.says('SIGTERM: stopping');
    const stopped = await host.kill('SIGINT');
    assert.equal(stopped.exitCode, 0);
    assert.match(stopped.stdout, /SIGINT again: stopping at once/);
    assert.deepEqual(await idsIn(data.path, 'patient'), ['first']);
  });

  test('a second host of one directory is refused with the pid of the first and the mend', async () => {
    using data = temporaryDirectory();
    const first = await startShop(data.path);
    const second = await posthorn(['host', fixture('patient.ts'), '--directory', data.path]);
    assert.equal(second.exitCode, 1);
    assert.match(second.stderr, new RegExp(`process ${first.process.pid}\\b`));
    assert.match(second.stderr, /another directory/);
    assert.equal((await first.kill('SIGTERM')).exitCode, 0);
  });

  test('a module without endpoints, or that is not there, is named, and nothing is started', async () => {
    using data = temporaryDirectory();
    for (const [file, text] of [
      ['broken.ts', /broken\.ts' exports no endpoint \(it exports answer\)/],
      ['missing.ts', /missing\.ts' is not there/],
    ] as const) {
      const result = await posthorn(['host', fixture('shop.ts'), fixture(file), '--directory', data.path]);
      assert.equal(result.exitCode, 1);
      assert.match(result.stderr, text);
      assert.doesNotMatch(result.stdout, /handles sales/);
    }
    const twice = await posthorn(['host', fixture('shop.ts'), fixture('shop.ts'), '--directory', data.path]);
    assert.equal(twice.exitCode, 1);
    assert.match(twice.stderr, /both have an endpoint 'sales'/);
  });

  test('the role goes to endpoints that name none, and describe tells it without starting anything', async () => {
    using data = temporaryDirectory();
    const described = await posthorn([
      'describe',
      fixture('roles.ts'),
      '--role',
      'client',
      '--json',
      '--directory',
      data.path,
    ]);
    assert.deepEqual(
      jsonLines(described.stdout).map(({ name, mode, attemptsMax, handledTypes }) => ({
        name,
        mode,
        attemptsMax,
        handledTypes,
      })),
      [
        { name: 'follows', mode: 'none', attemptsMax: 1, handledTypes: ['Follow'] },
        { name: 'insists', mode: 'sendsAtomicWithReceive', attemptsMax: 24, handledTypes: ['Insist'] },
      ],
    );
  });

  test('as a client it begins with empty queues, as a server it keeps what waits', async () => {
    using data = temporaryDirectory();
    for (const queue of ['follows', 'insists']) {
      await posthorn(['send', queue, '--type', 'Unknown', '--body', '{}', '--create', '--directory', data.path]);
    }
    const host = startPosthorn(['host', fixture('roles.ts'), '--role', 'client', '--directory', data.path]);
    await host.says('runs in process');
    await host.says('purged 1 message');
    await host.says('UnknownMessageType');
    await host.kill('SIGTERM');
    assert.equal((await idsIn(data.path, 'error')).length, 1, 'the message of the server was handled, and failed');
  });

  test('it says where it listens for other machines, as told on its command line or in network.json', async () => {
    using data = temporaryDirectory();
    const directory = ['--directory', data.path];
    const listening = async (...given: string[]): Promise<string> => {
      const host = startPosthorn(['host', fixture('idle.ts'), ...given, ...directory]);
      await host.says('runs in process');
      const { stdout, stderr, exitCode } = await host.kill('SIGTERM');
      assert.equal(exitCode, 0, stderr);
      const lines = jsonLines(stdout).map(({ msg }) => String(msg));
      assert.ok(
        lines.some((line) => line.includes('handles idle@alpha:')),
        'the directory keeps the name',
      );
      return lines.filter((line) => line.startsWith('Listening')).join(' ');
    };
    assert.match(
      await listening('--machine', 'alpha', '--listen', '127.0.0.1:0'),
      /^Listening on 127\.0\.0\.1:\d{4,5}\.$/,
    );
    assert.equal(await listening(), '');
    writeFileSync(join(data.path, 'network.json'), '{"listen":{"port":0,"address":"127.0.0.7"}}');
    assert.match(await listening(), /^Listening on 127\.0\.0\.7:\d{4,5}\.$/);
    assert.match(await listening('--listen', '[::1]:0'), /^Listening on \[::1\]:\d{4,5}\.$/, 'the command line wins');
  });

  test('beyond loopback without certificates it does not start unless plaintext is allowed in words', {
    timeout: 30_000,
  }, async () => {
    using data = temporaryDirectory();
    const given = ['host', fixture('idle.ts'), '--listen', '0.0.0.0:0', '--directory', data.path];
    const refused = await posthorn(given);
    assert.equal(refused.exitCode, 2);
    assert.match(refused.stderr, /allowPlaintext|--allow-plaintext/);
    const host = startPosthorn([...given, '--allow-plaintext']);
    await host.says('runs in process');
    const { stdout } = await host.kill('SIGTERM');
    assert.match(stdout, /Listening on 0\.0\.0\.0:\d+\./);
  });

  test('what cannot be meant is wrong usage', async () => {
    using data = temporaryDirectory();
    for (const [option, value, text] of [
      ['--listen', 'everywhere', /--listen 'everywhere' is not a port/],
      ['--machine', 'al pha', /'al pha' is not the name of a machine/],
    ] as const) {
      const result = await posthorn(['host', fixture('idle.ts'), option, value, '--directory', data.path]);
      assert.notEqual(result.exitCode, 0);
      assert.match(result.stderr, text);
    }
  });

  test('an error queue of another machine is not made here', async () => {
    using data = temporaryDirectory();
    const host = startPosthorn(['host', fixture('sends-failures-to-ops.ts'), '--directory', data.path]);
    await host.says('runs in process');
    const [queues, outgoing] = await Promise.all(
      ['queues', 'outgoing'].map((verb) => posthorn([verb, '--json', '--directory', data.path])),
    );
    assert.deepEqual(
      jsonLines(queues?.stdout ?? '').map(({ queue }) => queue),
      ['worker'],
    );
    assert.equal(outgoing?.stdout, '');
    const { stdout } = await host.kill('SIGTERM');
    assert.match(stdout, /error queue 'error@ops' of endpoint 'worker' stands on another machine/);
  });

  test('describe shows the databases of an endpoint and what brings them and the queues to one outcome', async () => {
    const described = await posthorn(['describe', fixture('orders-in-postgres.ts')]);
    assert.equal(described.exitCode, 0, described.stderr);
    const lines = described.stdout.split('\n').filter((line) => /^(Transactions|Databases|Sends)/.test(line));
    assert.deepEqual(
      lines.map((line) => line.replace(/ +/, ': ')),
      [
        'Transactions: distributed, at most 600 s each',
        'Databases: orders (postgres, app@db1.example:5433/shop), repeatable read; marker row: one database is listed',
        'Sends: can be received when every database has committed',
      ],
    );
    assert.doesNotMatch(described.stdout, /secret/);
    const json = await posthorn(['describe', fixture('orders-in-postgres.ts'), '--json']);
    assert.doesNotMatch(json.stdout, /secret/);
    assert.equal(jsonLines(json.stdout)[0]?.mode, 'distributed');
  });

  test('describe shows who publishes for an endpoint on other machines', async () => {
    const described = await posthorn(['describe', fixture('listens-to-sales.ts')]);
    assert.equal(described.exitCode, 0, described.stderr);
    assert.match(described.stdout, /^Publishers +Sales\.OrderPlaced ← sales@alpha\n +Sales\.OrderPlaced ← shop@beta$/m);
  });
});
