import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Operation } from '../store/store.ts';
import { TestMachine } from '../testing/test-machine.ts';
import type { QueueSide } from '../transactions/queue-side.ts';
import type { TransactionCoordinator } from '../transactions/transaction-coordinator.ts';
import type { QueueManager } from './queue-manager.ts';

/** A queue manager whose coordinator does nothing but note that it was stopped. */
async function setup(): Promise<{ manager: QueueManager; side: QueueSide; stops: string[] }> {
  const stops: string[] = [];
  let side: QueueSide | undefined;
  const manager = await new TestMachine().openQueueManager({
    makeCoordinator: (parts) => {
      side = parts.side;
      return { stop: async () => void stops.push('coordinator') } as unknown as TransactionCoordinator;
    },
  });
  assert.ok(side);
  return { manager, side, stops };
}

const MESSAGE = { destination: { queue: 'billing' }, headers: {}, body: Buffer.from('text') };

describe('the queue side of a coordinator', () => {
  test('a queue manager that closes stops its coordinator first, and the coordinator can still begin units then', async () => {
    const { manager, side, stops } = await setup();
    manager.beforeClose(async () => {
      stops.push('transfer');
      const work = side.begin();
      work.rollback();
    });
    await manager.close();
    assert.deepEqual(stops, ['coordinator', 'transfer']);
    assert.throws(() => manager.begin(), { code: 'QUEUE_MANAGER_CLOSED' });
  });

  test('the place of held sends is made once, also when several ask at a time, and is not a queue', async () => {
    const { manager, side } = await setup();
    await Promise.all([side.ready(), side.ready()]);
    await side.ready();
    assert.deepEqual([manager.status(), manager.hasQueue(''), manager.outgoingStatus()], [[], false, []]);
    await manager.close();
  });

  test('nothing can be held before that place is there, and nothing dropped that is not held', async () => {
    const { manager, side } = await setup();
    const hold = async (): Promise<{ held: unknown; operations: Operation[] }> => {
      const work = side.begin();
      await manager.send([MESSAGE], work);
      const operations: Operation[] = [];
      const put = work.takeParticipants().find((participant) => participant.hold !== undefined);
      assert.throws(() => put?.drop?.(operations), { code: 'INVARIANT_BROKEN' });
      return { held: put?.hold?.(operations), operations };
    };
    await assert.rejects(hold(), { code: 'INVARIANT_BROKEN' });
    await side.ready();
    const { held, operations } = await hold();
    const position = side.highestSequence();
    assert.deepEqual(held, { position, queue: 'billing', priority: 3, isDelayed: false, byteCount: 6 });
    assert.deepEqual(
      operations.map(({ kind }) => kind),
      ['put'],
    );
    await manager.close();
  });

  test('only a record that was found at the open is rebuilt', async () => {
    const { manager, side } = await setup();
    const record = { id: 'P1.x', protocol: 'marker', state: 'staged', endpoint: 'sales' } as const;
    const rest = { startedMs: 1, writtenMs: 1, parts: [], sends: [], branches: [] };
    assert.throws(() => side.rebuild({ ...record, ...rest }), { code: 'INVARIANT_BROKEN' });
    await manager.close();
  });
});
