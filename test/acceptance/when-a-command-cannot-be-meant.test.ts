import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { posthorn, temporaryDirectory } from '../support/command-line.ts';
import { failOrders, idsIn } from '../support/failed-orders.ts';

interface JsonError {
  readonly error: { readonly code: string; readonly message: string; readonly mend: string };
}

describe('when a command cannot be meant', { concurrency: 2 }, () => {
  test('with --json every usage error is one JSON object with a code and a mend', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 1);
    const wrong: readonly [readonly string[], RegExp][] = [
      [['queus'], /Did you mean queues\?/],
      [['queues', '--jsn'], /Did you mean --json\?/],
      [['errors', 'list', '--bogus'], /posthorn --help/],
      [['peek'], /posthorn --help/],
      [['queues', 'more'], /posthorn --help/],
      [['send', 'x', '--body', '1', '--priority', '9'], /from 0 to 7/],
      [['send', 'x', '--body', '1', '--header', 'none'], /--header '/],
      [['return-to-source', 'error', 'all', '--rate', '0'], /above 0/],
    ];
    for (const [given, mend] of wrong) {
      const result = await posthorn([...given, '--json'], { env: { POSTHORN_DIRECTORY: data.path } });
      assert.equal(result.exitCode, 2, given.join(' '));
      assert.equal(result.stdout, '', given.join(' '));
      const { error } = JSON.parse(result.stderr) as JsonError;
      assert.equal(error.code, 'USAGE', given.join(' '));
      assert.doesNotMatch(error.message, /^error:|\n/, given.join(' '));
      assert.match(error.mend, mend, given.join(' '));
    }
  });

  test('the usual ways to ask for help and for the version are known, at the program and at a verb', async () => {
    for (const given of [['-h'], ['--help'], ['help']]) {
      const { exitCode, stdout } = await posthorn(given);
      assert.deepEqual(
        [exitCode, stdout.startsWith('Usage: posthorn [options] [command]')],
        [0, true],
        given.join(' '),
      );
    }
    for (const given of [
      ['help', 'peek'],
      ['peek', '-h'],
    ]) {
      const { exitCode, stdout } = await posthorn(given);
      assert.deepEqual([exitCode, stdout.startsWith('Usage: posthorn peek')], [0, true], given.join(' '));
    }
    assert.match((await posthorn(['-V'])).stdout, /^\d+\.\d+\.\d+/);
    assert.match((await posthorn(['hlep'])).stderr, /Did you mean help\?/);
  });

  test('help of a verb that there is none is an error', async () => {
    for (const given of [
      ['qeues', '--help'],
      ['help', 'qeues'],
    ]) {
      const result = await posthorn(given);
      assert.deepEqual([result.exitCode, result.stdout], [2, ''], given.join(' '));
      assert.match(result.stderr, /unknown command 'qeues'.*Did you mean queues\?/, given.join(' '));
    }
    assert.match((await posthorn(['errors', 'lst', '--help'])).stderr, /unknown command 'lst'.*Did you mean list\?/);
  });

  test('a directory that is empty text is refused by the name of what was empty', async () => {
    using data = temporaryDirectory();
    const cwd = data.path;
    for (const given of [['queues'], ['keys', 'show'], ['doctor'], ['send', 'x', '--body', '1', '--create']]) {
      const option = await posthorn([...given, '--directory', ''], { cwd });
      assert.deepEqual([option.exitCode, option.stdout], [2, ''], given.join(' '));
      assert.match(option.stderr, /--directory is empty/, given.join(' '));
      const variable = await posthorn(given, { cwd, env: { POSTHORN_DIRECTORY: '' } });
      assert.deepEqual([variable.exitCode, variable.stdout], [2, ''], given.join(' '));
      assert.match(variable.stderr, /POSTHORN_DIRECTORY is empty/, given.join(' '));
    }
  });

  test('send takes only what an endpoint would take', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 1);
    const wrong: readonly [readonly string[], RegExp][] = [
      [['--id', ''], /--id/],
      [['--id', 'x'.repeat(201)], /--id is too long.*1 to 200 characters/],
      [['--type', 'bad type!'], /"bad type!"/],
      [['--type', '\u001b[31mred'], /type/],
      [['--delay', '1000000d'], /--delay.*hundred years/],
      [['--ttl', '1000000d'], /--ttl.*hundred years/],
    ];
    for (const [options, text] of wrong) {
      const given = ['send', 'billing', '--body', '{}', '--directory', data.path, ...options];
      const result = await posthorn(given);
      assert.deepEqual([result.exitCode, result.stdout], [2, ''], options.join(' '));
      assert.match(result.stderr, text, options.join(' '));
      assert.ok(!result.stderr.includes('\u001b'), options.join(' '));
    }
    const missing = await posthorn(['send', 'billing', '--file', '/nowhere/body.json', '--directory', data.path]);
    assert.equal(missing.exitCode, 2);
    assert.match(missing.stderr, /'\/nowhere\/body\.json' cannot be read: .*ENOENT.*--file/);
    assert.deepEqual(await idsIn(data.path, 'billing'), []);
  });

  test("'all' alone is told that the queue is missing", async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, 1);
    const result = await posthorn(['return-to-source', 'all', '--directory', data.path]);
    assert.equal(result.exitCode, 2);
    assert.match(result.stderr, /needs the queue to empty.*posthorn return-to-source error all\n/);
  });

  test('a machine that cannot be one is named as it was typed', async () => {
    using data = temporaryDirectory();
    for (const given of [
      ['ping', 'bad name'],
      ['host', 'x.ts', '--machine', 'bad name'],
    ]) {
      const result = await posthorn([...given, '--directory', data.path]);
      assert.equal(result.exitCode, 2);
      assert.match(result.stderr, /'bad name' is not the name of a machine/);
    }
  });
});
