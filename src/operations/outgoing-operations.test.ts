import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { nodeIo } from '../io/node-io.ts';
import { Header, headersOf } from '../message/headers.ts';
import { isPosthornError } from '../message/posthorn-error.ts';
import { formatTimestamp } from '../message/timestamp.ts';
import { QueueManager } from '../queues/queue-manager.ts';
import type { IncomingStatus } from '../transfer/incoming-status.ts';
import type { OutgoingStatus } from '../transfer/outgoing-status.ts';
import type { PingReport } from '../transfer/ping-report.ts';
import type { TransferOperations } from '../transfer/transfer-operations.ts';
import { QueueManagerNotRunning } from './errors.ts';
import { LocalOperations } from './local-operations.ts';

describe('outgoing queues of a directory that nobody runs', () => {
  test('are counted and described as not running, each with where it would go', async () => {
    await using stopped = await StoppedDirectory.make({ machines: { beta: 'beta.internal:1900' } });
    await stopped.send('billing@beta', 3);
    await stopped.send('orders@gamma', 1);
    const { outgoing } = await stopped.operations.describeOutgoing({});
    assert.deepEqual(
      outgoing.map(({ queue, machine, state, messages, nextHop }) => [queue, machine, state, messages, nextHop]),
      [
        ['billing@beta', 'beta', 'NOT_RUNNING', 3, { name: 'beta.internal', address: undefined, port: 1900 }],
        ['orders@gamma', 'gamma', 'NOT_RUNNING', 1, { name: 'gamma', address: undefined, port: 1801 }],
      ],
    );
    assert.match(outgoing[0]?.text ?? '', /No queue manager runs/);
    const ageMs = outgoing[0]?.oldestAgeMs ?? 0;
    assert.ok(ageMs >= 3_600_000 && ageMs < 3_700_000, `${ageMs}`);
    const toGamma = await stopped.operations.describeOutgoing({ machine: 'GAMMA' });
    assert.deepEqual(
      toGamma.outgoing.map(({ queue }) => queue),
      ['orders@gamma'],
    );
  });

  test('do not stand among the queues of this machine', async () => {
    await using stopped = await StoppedDirectory.make();
    await stopped.send('billing@beta', 1);
    assert.deepEqual((await stopped.operations.describeQueues({})).queues, []);
    assert.deepEqual((await stopped.operations.describeManager()).queues, []);
  });

  test('are held and released durably, once each, whatever the case of the machine', async () => {
    await using stopped = await StoppedDirectory.make();
    await stopped.send('billing@beta', 1);
    const held = await stopped.operations.holdOutgoing({ queue: 'billing@BETA', by: 'anna' });
    assert.deepEqual([held.state, held.reason], ['ON_HOLD', 'OPERATOR']);
    assert.match(held.text, /Held by anna/);
    await stopped.operations.holdOutgoing({ queue: 'billing@beta', by: 'bert' });
    await stopped.reopen();
    const [found] = (await stopped.operations.describeOutgoing({})).outgoing;
    assert.deepEqual([found?.state, found?.reason], ['ON_HOLD', 'OPERATOR']);
    assert.match(found?.text ?? '', /Held by anna/, 'who came first stays');
    const released = await stopped.operations.releaseOutgoing({ queue: 'billing@beta' });
    assert.equal(released.state, 'NOT_RUNNING');
    await stopped.operations.releaseOutgoing({ queue: 'billing@beta' });
    await stopped.reopen();
    assert.equal((await stopped.operations.describeOutgoing({})).outgoing[0]?.state, 'NOT_RUNNING');
  });

  test('cannot be tried and not be pinged through, and one that is not there names the nearest', async () => {
    await using stopped = await StoppedDirectory.make();
    await stopped.send('billing@beta', 1);
    const { operations } = stopped;
    await assert.rejects(operations.retryOutgoing({ queue: 'billing@beta' }), (error) =>
      isPosthornError(error, 'QUEUE_MANAGER_NOT_RUNNING'),
    );
    await assert.rejects(
      operations.holdOutgoing({ queue: 'biling@beta', by: 'anna' }),
      (error) => isPosthornError(error, 'OUTGOING_QUEUE_NOT_FOUND') && error.message.includes("'billing@beta'"),
    );
  });

  test('are shown with why nothing may run when network.json is broken', async () => {
    await using stopped = await StoppedDirectory.make();
    await stopped.send('billing@beta', 1);
    writeFileSync(join(stopped.path, 'network.json'), '{');
    const [found] = (await stopped.operations.describeOutgoing({})).outgoing;
    assert.match(found?.text ?? '', /network\.json/);
  });

  test('nobody can connect to it, which is said', async () => {
    await using stopped = await StoppedDirectory.make();
    const { isRunning, listeners, links } = await stopped.operations.describeIncoming();
    assert.deepEqual([isRunning, listeners, links], [false, [], []]);
  });
});

describe('outgoing queues while a transfer runs', () => {
  test('are what the transfer tells, in pages without attempts, one alone with them', async () => {
    await using stopped = await StoppedDirectory.make();
    const names = Array.from({ length: 501 }, (_, index) => `q${String(index).padStart(3, '0')}@beta`);
    const running = stopped.withTransfer(new ToldTransfer(names));
    const first = await running.describeOutgoing({});
    assert.deepEqual([first.outgoing.length, first.isLast], [500, false]);
    const rest = await running.describeOutgoing({ afterQueue: first.outgoing.at(-1)?.queue });
    assert.deepEqual([rest.outgoing.map(({ queue }) => queue), rest.isLast], [['q500@beta'], true]);
    assert.ok(first.outgoing.every(({ attempts }) => attempts.length === 0));
    const [one] = (await running.describeOutgoing({ queue: 'Q007@BETA' })).outgoing;
    assert.deepEqual([one?.queue, one?.attempts.length], ['q007@beta', 1]);
  });

  test('come with the reason in words and a mend that names the machine', async () => {
    await using stopped = await StoppedDirectory.make();
    const running = stopped.withTransfer(new ToldTransfer(['billing@beta']));
    const [status] = (await running.describeOutgoing({})).outgoing;
    assert.equal(status?.why, 'nothing listens');
    assert.match(status?.mend ?? '', /Start the queue manager of beta with a listener on port 1801/);
  });

  test('are held, released and tried by the transfer, under the name that it knows', async () => {
    await using stopped = await StoppedDirectory.make();
    const transfer = new ToldTransfer(['billing@beta']);
    const running = stopped.withTransfer(transfer);
    await running.holdOutgoing({ queue: 'billing@Beta', by: 'anna' });
    await running.releaseOutgoing({ queue: 'billing@Beta' });
    await running.retryOutgoing({ queue: 'billing@Beta' });
    assert.deepEqual(transfer.asked, ['hold billing@beta anna', 'release billing@beta', 'retry billing@beta']);
    await assert.rejects(running.retryOutgoing({ queue: 'billing' }), (error) =>
      isPosthornError(error, 'OUTGOING_QUEUE_NOT_FOUND'),
    );
    assert.equal((await running.describeIncoming()).isRunning, true);
  });
});

/** A transfer that tells what a test says, and remembers what it was asked for. */
class ToldTransfer implements TransferOperations {
  readonly asked: string[] = [];
  readonly #names: readonly string[];

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  async describeOutgoing(): Promise<readonly OutgoingStatus[]> {
    return this.#names.map((queue) => ({ ...REFUSED, queue }));
  }

  describeIncoming(): IncomingStatus {
    return { machine: 'alpha', listeners: [], links: [], refusals: [], refusedCount: 0 };
  }

  async hold(queue: string, by: string): Promise<void> {
    this.asked.push(`hold ${queue} ${by}`);
  }

  async release(queue: string): Promise<void> {
    this.asked.push(`release ${queue}`);
  }

  retry(queue: string): void {
    this.asked.push(`retry ${queue}`);
  }

  ping(machine: string): Promise<PingReport> {
    return Promise.reject(new QueueManagerNotRunning(machine, 'this transfer pings nobody'));
  }
}

const REFUSED: OutgoingStatus = {
  queue: '',
  machine: 'beta',
  state: 'WAITING',
  reason: 'CONNECT_REFUSED',
  text: 'Nothing listens.',
  nextHop: { name: 'beta', address: '10.0.0.2', port: 1801 },
  messages: 1,
  bytes: 1,
  delayed: 0,
  unacknowledged: 0,
  oldestAgeMs: 1,
  acknowledged: 0,
  lastAcknowledgedAgoMs: undefined,
  epoch: undefined,
  nextAttemptInMs: 1,
  attempt: 2,
  attempts: [{ atMs: 0, name: 'beta', address: '10.0.0.2', port: 1801, outcome: 'CONNECT_REFUSED', text: 'no' }],
  attemptCounts: { CONNECT_REFUSED: 1 },
};

class StoppedDirectory implements AsyncDisposable {
  readonly path: string;
  #manager: QueueManager;
  operations: LocalOperations;

  private constructor(path: string, manager: QueueManager) {
    this.path = path;
    this.#manager = manager;
    this.operations = new LocalOperations(manager, nodeIo());
  }

  static async make(network?: object): Promise<StoppedDirectory> {
    const path = mkdtempSync(join(tmpdir(), 'posthorn-outgoing-'));
    if (network !== undefined) writeFileSync(join(path, 'network.json'), JSON.stringify(network));
    return new StoppedDirectory(path, await QueueManager.open({ directory: path, machine: 'alpha' }));
  }

  async send(destination: string, count: number): Promise<void> {
    const [queue = '', machine = ''] = destination.split('@');
    const sent = formatTimestamp(nodeIo().clock.wallNowMs() - 3_600_000);
    for (let index = 0; index < count; index++) {
      const headers = headersOf({ [Header.messageId]: `m${index}`, [Header.timeSent]: sent });
      await this.#manager.send([
        { destination: { queue, machine }, headers, body: new Uint8Array(10), priority: index % 8 },
      ]);
    }
  }

  withTransfer(transfer: TransferOperations): LocalOperations {
    return new LocalOperations(this.#manager, nodeIo(), transfer);
  }

  async reopen(): Promise<void> {
    await this.#manager.close();
    this.#manager = await QueueManager.open({ directory: this.path });
    this.operations = new LocalOperations(this.#manager, nodeIo());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#manager.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}
