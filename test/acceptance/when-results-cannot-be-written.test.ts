import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  type CommandResult,
  fixture,
  posthorn,
  type RunningCommand,
  startProgram,
  temporaryDirectory,
} from '../support/command-line.ts';
import { failOrders } from '../support/failed-orders.ts';

describe('when results cannot be written', { concurrency: 2 }, () => {
  test('a full disk is one line on standard error, and exit code 1', { skip: isMissing('/dev/full') }, async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 1);
    const inWords = await piped(['queues', '--directory', data.path], '> /dev/full');
    assert.equal(inWords.exitCode, 1);
    assert.match(inWords.stderr, /^posthorn: Standard output cannot be written to: ENOSPC.*\. Make room there.*\n$/);
    const inJson = await piped(['queues', '--json', '--directory', data.path], '> /dev/full');
    assert.equal(inJson.exitCode, 1);
    assert.partialDeepStrictEqual(JSON.parse(inJson.stderr), { error: { code: 'OUTPUT_UNWRITABLE' } });
  });

  test('a host whose log finds no room says so once, and works on', { skip: isMissing('/dev/full') }, async (t) => {
    using data = temporaryDirectory();
    const host = shell('exec "$@" > /dev/full', ['host', fixture('shop.ts'), '--directory', data.path]);
    t.after(() => host.process.kill('SIGKILL'));
    await once(host.process.stderr ?? host.process, 'data');
    const sent = await posthorn(['send', 'sales', '--body', '{}', '--directory', data.path]);
    assert.equal(sent.exitCode, 0, sent.stderr);
    const ended = await host.kill('SIGTERM');
    assert.equal(ended.exitCode, 0);
    assert.match(ended.stderr, /^posthorn: The log cannot be written: ENOSPC.* The host works on\.\n$/);
  });

  test('a notice that nobody can be told does not change the exit code', { skip: isMissing('/dev/full') }, async () => {
    assert.deepEqual((await piped(['qeues'], '2> /dev/full')).exitCode, 2);
  });

  test('a reader that has enough is no failure', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 300);
    const given = ['peek', 'error', '--json', '--directory', data.path];
    const result = await piped(given, '| head -n 1');
    assert.deepEqual([result.exitCode, result.stderr], [0, '']);
    assert.match(result.stdout, /^\{.*\}\n$/);
  });
});

/** The CLI in a shell, which sends its output where the redirection says. */
function piped(given: readonly string[], redirection: string): Promise<CommandResult> {
  return shell(`"$@" ${redirection}`, given).ended;
}

function shell(script: string, given: readonly string[]): RunningCommand {
  const command = [process.execPath, '--conditions=posthorn-source', CLI, ...given];
  return startProgram('bash', ['-o', 'pipefail', '-c', script, 'bash', ...command]);
}

const CLI = join(import.meta.dirname, '../../bin/posthorn.js');

function isMissing(device: string): string | false {
  return existsSync(device) ? false : `there is no ${device} here`;
}
