import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nodeIo } from '../../src/io/node-io.ts';
import { connectOperations } from '../../src/operations/connect.ts';
import {
  type CommandResult,
  jsonLines,
  posthorn,
  type RunningCommand,
  startPosthorn,
  startShop,
  temporaryDirectory,
} from '../support/command-line.ts';
import { failOrders, idsIn } from '../support/failed-orders.ts';

const COUNT = 600;
const ALL = Array.from({ length: COUNT }, (_, order) => `order-${order}`);

function startReturning(directory: string): RunningCommand {
  return startPosthorn([
    'return-to-source',
    'error',
    'all',
    '--to',
    'hospital',
    '--rate',
    '300',
    '--directory',
    directory,
  ]);
}

/** Asks, as any operator may, until so many have gone back; fails when `returning` has ended before. */
async function someWereReturned(directory: string, count: number, returning: RunningCommand): Promise<void> {
  const connection = connectOperations({ directory, io: nodeIo() });
  let result: CommandResult | undefined;
  void returning.ended.then((ended) => {
    result = ended;
  });
  try {
    for (;;) {
      const hasEnded = result !== undefined;
      const [operation] = await connection.operations.listReturns();
      if (operation !== undefined && operation.returned >= count) return;
      assert.ok(!hasEnded, `it ended with ${result?.exitCode} after ${operation?.returned}: ${result?.stderr}`);
    }
  } finally {
    await connection.close();
  }
}

async function finishAndCheck(directory: string): Promise<void> {
  const finished = await posthorn([
    'return-to-source',
    'error',
    'all',
    '--to',
    'hospital',
    '--json',
    '--directory',
    directory,
  ]);
  const [operation] = jsonLines(finished.stdout);
  assert.deepEqual([finished.exitCode, operation?.state, operation?.returned], [0, 'finished', COUNT], finished.stderr);
}

describe('when return-to-source is killed in the middle', { concurrency: 2 }, () => {
  test('and started again while no queue manager runs, nothing is returned twice or lost', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, COUNT);
    await posthorn(['send', 'hospital', '--body', '{}', '--id', 'before', '--create', '--directory', data.path]);
    for (const returned of [1, 200, 400]) {
      const returning = startReturning(data.path);
      await someWereReturned(data.path, returned, returning);
      await returning.kill('SIGKILL');
    }
    const between = await idsIn(data.path, 'hospital');
    assert.ok(between.length > 400 && between.length < COUNT, `${between.length} were returned when it was killed`);
    await finishAndCheck(data.path);
    assert.deepEqual(await idsIn(data.path, 'hospital'), ['before', ...ALL]);
    assert.deepEqual(await idsIn(data.path, 'error'), []);
  });

  test('and started again while a queue manager runs, nothing is returned twice or lost', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, COUNT);
    await posthorn(['send', 'hospital', '--body', '{}', '--id', 'before', '--create', '--directory', data.path]);
    const host = await startShop(data.path);
    const returning = startReturning(data.path);
    await someWereReturned(data.path, 200, returning);
    await returning.kill('SIGKILL');
    await finishAndCheck(data.path);
    await host.kill('SIGTERM');
    assert.deepEqual(await idsIn(data.path, 'hospital'), ['before', ...ALL]);
    assert.deepEqual(await idsIn(data.path, 'error'), []);
  });

  test('a host that is killed meanwhile does not end it: it goes on without, and with the next', async () => {
    using data = temporaryDirectory();
    await failOrders(data.path, COUNT);
    await posthorn(['send', 'hospital', '--body', '{}', '--id', 'before', '--create', '--directory', data.path]);
    const first = await startShop(data.path);
    const returning = startReturning(data.path);
    await someWereReturned(data.path, 100, returning);
    await first.kill('SIGKILL');
    await someWereReturned(data.path, 300, returning);
    const second = await startShop(data.path);
    const result = await returning.ended;
    assert.equal(result.exitCode, 0, result.stderr);
    assert.match(result.stdout, /Returned 600 messages/);
    await second.kill('SIGTERM');
    assert.deepEqual(await idsIn(data.path, 'hospital'), ['before', ...ALL]);
    assert.deepEqual(await idsIn(data.path, 'error'), []);
  });
});
