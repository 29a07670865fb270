import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { silentLogger } from '../../src/io/logger.ts';
import { Header, headersOf } from '../../src/message/headers.ts';
import { openQueueManager } from '../../src/operations/open-queue-manager.ts';
import { formatBranchQualifier } from '../../src/transactions/transaction-id.ts';
import {
  FENCE_PREFIX,
  type FenceRecord,
  type HeuristicRecord,
  TRANSACTION_PREFIX,
  type TransactionRecord,
} from '../../src/transactions/transaction-record.ts';
import { requireCapability } from '../support/capabilities.ts';
import { jsonLines, posthorn, startProgram, temporaryDirectory } from '../support/command-line.ts';
import { branchView, resourceView, transactionId, transactionView } from '../support/fake-transactions.ts';
import { OperatedMachine } from '../support/operated-machine.ts';

const SILENT = { lastAnswer: 'connect ECONNREFUSED', attempts: 12, nextTryMs: 8000 };

describe('when operators look at transactions', { concurrency: 2 }, () => {
  test('the list shows what is not over, page after page, and is an alarm when it does not end', async () => {
    await using machine = await OperatedMachine.start();
    machine.fake.transactions = [1, 2, 3].map((sequence) =>
      transactionView(sequence, { branches: [branchView('stock', SILENT)], ageMs: 30_000 }),
    );
    const calm = await machine.posthorn('transactions', 'list');
    assert.equal(calm.exitCode, 0, calm.stderr);
    for (const sequence of [1, 2, 3]) assert.match(calm.stdout, new RegExp(`^${transactionId(sequence)} `, 'm'));
    assert.match(calm.stdout, /^ {4}stock: prepared, 12 tries, next in 8s: connect ECONNREFUSED$/m);
    assert.equal((await machine.posthorn('transactions', 'list', '--alarm-after', '10s')).exitCode, 1);
    const json = await machine.posthorn('transactions', 'list', '--json', '--state', 'in-doubt');
    assert.deepEqual([json.exitCode, json.stdout], [0, '']);
    const lines = jsonLines((await machine.posthorn('transactions', 'list', '--json')).stdout);
    assert.deepEqual(
      lines.map(({ entry, id }) => [entry, id]),
      [1, 2, 3].map((sequence) => ['transaction', transactionId(sequence)]),
    );
  });

  test('one is found by its id, by the beginning of it, and by the end that a narrow list shows', async () => {
    await using machine = await OperatedMachine.start();
    machine.fake.transactions = [transactionView(1, { branches: [branchView('orders')] }), transactionView(2)];
    const id = transactionId(1);
    for (const given of [id, `${id.slice(0, -1)}b`, `…${id.slice(-20)}`, id.slice(-15)]) {
      const shown = await machine.posthorn('transactions', 'show', given);
      assert.match(shown.stdout, new RegExp(`^Transaction +${id}$`, 'm'), `${given}: ${shown.stderr}`);
      assert.match(shown.stdout, /^ {2}orders: COMMIT PREPARED '/m);
    }
    const none = await machine.posthorn('transactions', 'show', transactionId(3));
    assert.deepEqual([none.exitCode, none.stdout], [1, '']);
    assert.match(none.stderr, /There is no transaction/);
    const several = await machine.posthorn('transactions', 'show', id.slice(0, 20));
    assert.match(several.stderr, /more than one transaction/);
  });

  test('a fenced database stands above the list with the messages that may have been handled already', async () => {
    await using machine = await OperatedMachine.start();
    await machine.send('sales', 60);
    const mayBeHandledUpTo = machine.manager.highestSequence();
    await machine.send('sales', 5);
    await machine.send('billing', 1);
    const sentence = 'Epoch 9 stands there and this store wanted to write 4: this store went back in time.';
    machine.fake.resources = [
      resourceView('orders', { state: 'fenced', sinceMs: 0, sentence, mayBeHandledUpTo, endpoints: ['sales'] }),
    ];
    const list = await machine.posthorn('transactions', 'list');
    assert.equal(list.exitCode, 1, 'nothing is handled until somebody decides');
    assert.match(list.stdout, /^orders: FENCED since 1970-01-01 .*\n {4}Epoch 9 stands there/);
    assert.match(list.stdout, /60 messages may have been handled already: 60 in 'sales'\./);
    const show = await machine.posthorn('transactions', 'show', 'orders');
    assert.equal(show.stdout.match(/^sales +sales-\d+ *$/gm)?.length, 50);
    assert.match(show.stdout, /… and 10 more/);
    await machine.posthorn('queues', 'create', 'handled-already');
    await machine.posthorn('move', 'sales', 'handled-already', '--id', 'sales-0', '--id', 'sales-1');
    const [seen] = jsonLines((await machine.posthorn('transactions', 'list', '--json')).stdout);
    assert.deepEqual(seen?.mayBeHandled, { queues: [{ queue: 'sales', messages: 58 }], first: [], isComplete: true });
    const forgotten = await machine.posthorn('transactions', 'forget', 'orders', '--reason', 'compared', '--yes');
    assert.match(forgotten.stdout, /^orders: forgotten\.$/m);
    assert.deepEqual(
      machine.fake.wishes.map(({ action, id, reason }) => [action, id, reason]),
      [['forget', 'orders', 'compared']],
    );
    assert.equal((await machine.posthorn('transactions', 'list')).exitCode, 0);
  });

  test('messages that failed and would go back, and delayed ones, may have been handled already too', async () => {
    await using machine = await OperatedMachine.start();
    await machine.send('error', 1, { [Header.failedQueue]: 'sales' });
    await machine.send('error', 1, { [Header.failedQueue]: 'billing' });
    const mayBeHandledUpTo = machine.manager.highestSequence();
    machine.fake.resources = [resourceView('orders', { state: 'fenced', mayBeHandledUpTo, endpoints: ['sales'] })];
    const list = await machine.posthorn('transactions', 'list');
    assert.match(list.stdout, /1 message may have been handled already: 1 in 'error'\./);
  });

  test('a retry of a database is refused with what to do instead', async () => {
    await using machine = await OperatedMachine.start();
    machine.fake.resources = [resourceView('orders', { state: 'unavailable', endpoints: ['sales'] })];
    const retried = await machine.posthorn('transactions', 'retry', 'orders');
    assert.equal(retried.exitCode, 2);
    assert.match(retried.stderr, /'orders' is a database.*transactions list --resource orders/s);
  });

  test('doctor names a database that is away just now', async () => {
    await using machine = await OperatedMachine.start();
    machine.fake.resources = [
      resourceView('stock', { state: 'unavailable', sinceMs: Date.now(), endpoints: ['sales'] }),
    ];
    const doctor = await machine.posthorn('doctor');
    assert.equal(doctor.exitCode, 1);
    assert.match(doctor.stdout, /stock is unavailable/);
  });

  test('moving by an id that is not there fails, and says where else to look', async () => {
    await using machine = await OperatedMachine.start();
    await machine.send('sales', 1);
    await machine.posthorn('queues', 'create', 'handled-before');
    const moved = await machine.posthorn('move', 'sales', 'handled-before', '--id', 'nobody');
    assert.equal(moved.exitCode, 1);
    assert.match(moved.stdout, /^Nothing was moved: no message 'nobody' waits in 'sales'; with --delayed/);
  });

  test('an action says what it would do and with which SQL, and without a terminal wants --yes and a reason', async () => {
    await using machine = await OperatedMachine.start();
    machine.fake.transactions = [
      transactionView(1, {
        state: 'fenced',
        branches: [branchView('orders')],
        heldSends: [{ queue: 'billing', messages: 2 }],
      }),
    ];
    const id = transactionId(1);
    const unsure = await machine.posthorn('transactions', 'commit', id, '--reason', 'ticket 1');
    assert.deepEqual([unsure.exitCode, unsure.stdout], [2, '']);
    assert.match(unsure.stderr, /The same by hand:\n {2}orders: COMMIT PREPARED '.*';\n/);
    assert.match(unsure.stderr, /released by it: 2 messages for 'billing'/);
    assert.match(unsure.stderr, /nobody can be asked here\. Add --yes\./);
    for (const reason of [[], ['--reason', ' ']]) {
      const mute = await machine.posthorn('transactions', 'abort', id, '--yes', ...reason);
      assert.deepEqual([mute.exitCode, mute.stdout], [2, '']);
      assert.match(mute.stderr, /needs a reason/);
    }
    assert.equal(machine.fake.wishes.length, 0);
    const done = await machine.posthorn('transactions', 'abort', id, '--yes', '--reason', 'ticket 1', '--json');
    assert.deepEqual(jsonLines(done.stdout), [{ action: 'abort', id, wasDoneBefore: false }]);
    assert.equal(machine.fake.wishes[0]?.reason, 'ticket 1');
  });

  test('on a terminal it asks for the reason and whether it is meant', async (t) => {
    if (!requireCapability(t, 'terminal', () => missingScript())) return;
    await using machine = await OperatedMachine.start();
    machine.fake.transactions = [transactionView(1, { state: 'fenced', branches: [branchView('orders')] })];
    const abort = `stty rows 24 cols 100; "${process.execPath}" --conditions=posthorn-source bin/posthorn.js transactions abort ${transactionId(1)} --directory "${machine.path}"; echo "ended with $?"`;
    for (const [answer, exitCode, wishCount] of [
      ['n', 1, 0],
      ['y', 0, 1],
    ] as const) {
      const terminal = startProgram('script', ['-qec', abort, '/dev/null']);
      await terminal.says('The reason is kept');
      assert.match(terminal.stdout, /ROLLBACK PREPARED/);
      terminal.process.stdin?.write('row checked by hand\r');
      await terminal.says('Roll it back?');
      terminal.process.stdin?.write(answer);
      await terminal.says(`ended with ${exitCode}`);
      terminal.process.stdin?.end();
      await terminal.ended;
      assert.equal(machine.fake.wishes.length, wishCount);
    }
    assert.equal(machine.fake.wishes[0]?.reason, 'row checked by hand');
  });

  test('to try again is harmless and asks nobody; what is foreign is shown and left alone', async () => {
    await using machine = await OperatedMachine.start();
    const foreign = { state: 'foreign', endpoint: undefined, sentence: 'Another program made it.' } as const;
    machine.fake.transactions = [
      transactionView(1, { branches: [branchView('stock', SILENT)] }),
      transactionView(2, { ...foreign, id: 'app_7f3:2', branches: [branchView('orders')] }),
    ];
    const retried = await machine.posthorn('transactions', 'retry', transactionId(1));
    assert.deepEqual([retried.exitCode, machine.fake.wishes.length], [0, 1], retried.stderr);
    assert.match(retried.stdout, /asked again\. It is committing: Commit was decided/);
    assert.match((await machine.posthorn('transactions', 'show', 'app_7f3:2')).stdout, /^State +foreign$/m);
    const refused = await machine.posthorn('transactions', 'abort', 'app_7f3:2', '--yes', '--reason', 'old');
    assert.deepEqual([refused.exitCode, refused.stdout], [1, '']);
    assert.match(refused.stderr, /another program made it/);
  });

  test('a directory that nobody runs tells what was written down; a heuristic outcome can be forgotten, nothing else', async () => {
    using directory = temporaryDirectory();
    const at = ['--directory', directory.path];
    await writeHeuristic(directory.path, { outcome: 'rolledBack', answer: '42704', atMs: 0 }, transactionId(1));
    await writeHeuristic(directory.path, undefined, transactionId(2));
    const list = await posthorn(['transactions', 'list', ...at]);
    assert.equal(list.exitCode, 1, list.stderr);
    assert.match(list.stdout, /^orders: no queue manager runs$/m);
    assert.match(list.stdout, new RegExp(`^${transactionId(1)} .* HEURISTIC +sales +order-1 +orders`, 'm'));
    const show = await posthorn(['transactions', 'show', transactionId(1), ...at]);
    assert.match(show.stdout, /^Outcome +was rolled back there: 42704$/m);
    const meant = ['--reason', 'row written by hand', '--yes', ...at];
    for (const action of ['commit', 'abort']) {
      const refused = await posthorn(['transactions', action, transactionId(2), ...meant]);
      assert.deepEqual([refused.exitCode, refused.stdout], [1, '']);
      assert.match(refused.stderr, /no queue manager runs on .* Start it with endpoint 'sales'/);
    }
    const early = await posthorn(['transactions', 'forget', transactionId(2), ...meant]);
    assert.deepEqual([early.exitCode, early.stdout], [1, ''], 'what is decided and not told is not forgotten');
    const forgotten = await posthorn(['transactions', 'forget', transactionId(1), ...meant]);
    assert.deepEqual(
      [forgotten.exitCode, forgotten.stdout],
      [0, `${transactionId(1)}: forgotten.\n`],
      forgotten.stderr,
    );
    const left = jsonLines((await posthorn(['transactions', 'list', '--json', ...at])).stdout);
    assert.deepEqual(
      left.filter(({ entry }) => entry === 'transaction').map(({ id, state }) => [id, state]),
      [[transactionId(2), 'committing']],
    );
  });

  test('a fence that was written down stands in a directory that nobody runs, and only an endpoint lifts it', async () => {
    using directory = temporaryDirectory();
    const wanted = { generation: 'g'.repeat(8), epoch: 4 };
    const found = { ...wanted, epoch: 9, opening: 'o'.repeat(36) };
    const record: FenceRecord = { resource: 'orders', sinceMs: 0, found, wanted, sequenceMax: 2 };
    await writeState(directory.path, { [`${FENCE_PREFIX}orders`]: record }, 3);
    const list = await posthorn(['transactions', 'list', '--directory', directory.path]);
    assert.equal(list.exitCode, 1);
    assert.match(list.stdout, /^orders: FENCED since 1970-01-01/m);
    assert.match(list.stdout, /2 messages may have been handled already: 2 in 'sales'\./);
    const refused = await posthorn([
      ...['transactions', 'forget', 'orders', '--reason', 'compared', '--yes'],
      ...['--directory', directory.path],
    ]);
    assert.deepEqual([refused.exitCode, refused.stdout], [1, '']);
    assert.match(refused.stderr, /no endpoint that lists it is running here/);
  });

  test('wrong words are wrong usage', async () => {
    await using machine = await OperatedMachine.start();
    machine.fake.resources = [resourceView('orders')];
    const wrong: readonly (readonly string[])[] = [
      ['list', '--state', 'broken'],
      ['list', '--alarm-after', 'soon'],
      ['show'],
      ['commit', 'orders', '--reason', 'x', '--yes'],
      ['forget'],
      ['explode', 'x'],
    ];
    for (const given of wrong) {
      const result = await machine.posthorn('transactions', ...given);
      assert.deepEqual([result.exitCode, result.stdout], [2, ''], `${given.join(' ')}: ${result.stderr}`);
    }
    assert.match((await machine.posthorn('transactions', 'list', '--state', 'fence')).stderr, /Did you mean 'fenced'/);
  });
});

/** A decision about one database, told to it or not. */
async function writeHeuristic(directory: string, heuristic: HeuristicRecord | undefined, id: string): Promise<void> {
  const qualifier = formatBranchQualifier('orders', 1);
  const record: TransactionRecord = {
    id,
    protocol: 'twoPhase',
    state: 'decided',
    endpoint: 'sales',
    messageId: 'order-1',
    startedMs: 0,
    writtenMs: 0,
    parts: [],
    sends: [],
    branches: [{ resource: 'orders', qualifier, session: '17', ...(heuristic !== undefined && { heuristic }) }],
  };
  await writeState(directory, { [`${TRANSACTION_PREFIX}${id}`]: record });
}

/** What a life before this one has left; with so many messages in 'sales'. */
async function writeState(directory: string, rows: Readonly<Record<string, object>>, messages = 0): Promise<void> {
  const manager = await openQueueManager({ directory, machine: 'alpha', logger: silentLogger });
  for (let index = 0; index < messages; index++) {
    const headers = headersOf({ [Header.messageId]: `sales-${index}` });
    await manager.send([{ destination: { queue: 'sales' }, headers, body: new Uint8Array(1) }]);
  }
  const work = manager.begin();
  for (const [key, value] of Object.entries(rows)) manager.setState(work, key, JSON.stringify(value));
  await work.commit();
  await manager.close();
}

function missingScript(): string | undefined {
  const { status } = spawnSync('script', ['-qec', 'stty -a', '/dev/null']);
  return status === 0 ? undefined : "'script' and 'stty' make no terminal here";
}
