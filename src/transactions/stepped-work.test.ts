import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CoordinatorStory } from '../../test/support/coordinator-story.ts';
import { FakeDatabase } from '../../test/support/fake-database.ts';
import { StoreFailed, StoreSyncFailed } from '../store/errors.ts';
import type { Operation, Store, Unit } from '../store/store.ts';
import { SteppedWork } from './stepped-work.ts';
import type { TransactionRecord } from './transaction-record.ts';
import { type Outcome, type Participant, UnitOfWork } from './unit-of-work.ts';

const RECORD: TransactionRecord = {
  id: 'ID',
  protocol: 'marker',
  state: 'staged',
  endpoint: 'sales',
  startedMs: 0,
  writtenMs: 0,
  parts: [],
  sends: [],
  branches: [],
};

/** A store that keeps what it is given, and refuses when told to. */
function storeOf(units: Unit[], refusals: (Error | undefined)[] = []): Store {
  const commit = async (unit: Unit): Promise<void> => {
    const refusal = refusals.shift();
    if (refusal !== undefined) throw refusal;
    units.push(unit);
  };
  return { commit } as Pick<Store, 'commit'> as Store; // the rest is not asked for
}

function mark(key: string): Operation {
  return { kind: 'setState', key, value: '' };
}

function participants(heard: string[]) {
  const ended = (name: string) => (outcome: Outcome) => void heard.push(`${name} ${outcome}`);
  const send: Participant = {
    hold: (operations) => {
      operations.push(mark('held'));
      return { position: 1, queue: 'out', priority: 3, isDelayed: false, byteCount: 1 };
    },
    drop: (operations) => void operations.push(mark('dropped')),
    contribute: (operations) => void operations.push(mark('sent')),
    ended: ended('send'),
  };
  const input: Participant = {
    describe: () => ({ kind: 'input', queue: 'in', position: 7 }),
    contribute: (operations) => void operations.push(mark('received')),
    ended: ended('input'),
  };
  const other: Participant = {
    contribute: (operations) => void operations.push(mark('other')),
    ended: ended('other'),
  };
  return [input, send, other];
}

function keysOf(units: readonly Unit[]): string[][] {
  return units.map(({ operations }) =>
    operations.map((operation) => ('key' in operation ? operation.key : operation.kind)),
  );
}

function setup(refusals: (Error | undefined)[] = []) {
  const units: Unit[] = [];
  const heard: string[] = [];
  const work = SteppedWork.begin(storeOf(units, refusals), participants(heard));
  return { units, heard, work };
}

describe('the queue side of a transaction in two units', () => {
  test('stage writes down, apply does it: each with the record in the same unit', async () => {
    const { units, heard, work } = setup();
    const record = await work.stage((queueSide) => ({ ...RECORD, ...queueSide }));
    assert.deepEqual(record.parts, [{ kind: 'input', queue: 'in', position: 7 }]);
    assert.equal(record.sends.length, 1);
    assert.deepEqual(heard, []);
    await work.apply('ID');
    assert.deepEqual(keysOf(units), [
      ['held', 'transaction/ID'],
      ['received', 'sent', 'other', 'transaction/ID'],
    ]);
    assert.deepEqual(heard, ['input committed', 'send committed', 'other committed']);
  });

  test('discard takes the held sends away, and nothing else changes', async () => {
    const { units, heard, work } = setup();
    await work.stage((queueSide) => ({ ...RECORD, ...queueSide }));
    await work.discard('ID', { id: 'ID', resource: 'orders', session: '1', sinceMs: 0 });
    assert.deepEqual(keysOf(units)[1], ['dropped', 'transaction/ID', 'abort-row/ID']);
    assert.deepEqual(heard, ['input rolledBack', 'send rolledBack', 'other rolledBack']);
  });

  test('decide does everything but the held sends, which release sends', async () => {
    const { units, heard, work } = setup();
    const record = await work.decide((queueSide) => ({ ...RECORD, ...queueSide }), true);
    assert.deepEqual([record.parts, record.sends.length], [[], 1]);
    assert.deepEqual(heard, ['input committed', 'other committed']);
    await work.release('ID');
    assert.deepEqual(keysOf(units), [
      ['received', 'held', 'other', 'transaction/ID'],
      ['sent', 'transaction/ID'],
    ]);
    assert.deepEqual(heard.slice(2), ['send committed']);
  });

  test('a first unit that the store refuses can be abandoned; a second one is tried again', async () => {
    const one = setup([new StoreSyncFailed('EIO')]);
    await assert.rejects(
      one.work.stage((queueSide) => ({ ...RECORD, ...queueSide })),
      { code: 'STORE_SYNC_FAILED' },
    );
    one.work.abandon();
    assert.deepEqual(one.heard, ['input rolledBack', 'send rolledBack', 'other rolledBack']);
    const other = setup([undefined, new StoreSyncFailed('EIO')]);
    await other.work.stage((queueSide) => ({ ...RECORD, ...queueSide }));
    await assert.rejects(other.work.apply('ID'), { code: 'STORE_SYNC_FAILED' });
    assert.deepEqual(other.heard, []);
    await other.work.apply('ID');
    assert.deepEqual(other.heard, ['input committed', 'send committed', 'other committed']);
  });

  test('when the store has stopped everybody hears that nobody knows, once', async () => {
    const { heard, work } = setup([undefined, new StoreFailed('EIO')]);
    await work.stage((queueSide) => ({ ...RECORD, ...queueSide }));
    await assert.rejects(work.apply('ID'), { code: 'STORE_FAILED' });
    assert.deepEqual(heard, ['input unknown', 'send unknown', 'other unknown']);
    await assert.rejects(work.apply('ID'), { code: 'INVARIANT_BROKEN' });
  });

  test('a unit of work whose participants were taken takes nothing more and ends no other way', async () => {
    const heard: string[] = [];
    const unit = new UnitOfWork(storeOf([]));
    const [input] = participants(heard);
    assert.ok(input !== undefined);
    unit.enlist(input);
    assert.deepEqual(unit.takeParticipants(), [input]);
    assert.throws(() => unit.enlist(input), { code: 'TRANSACTION_ENDED' });
    assert.throws(() => unit.takeParticipants(), { code: 'TRANSACTION_ENDED' });
    await assert.rejects(unit.commit(), { code: 'TRANSACTION_ENDED' });
    unit.rollback();
    assert.deepEqual(heard, []);
  });
});

describe('a second unit that the store refuses', () => {
  for (const [rule, names, key] of [
    ['after the database has committed keeps the message locked, and is written later', ['orders'], 'apply'],
    ['after every database has committed keeps the sends held, and is written later', ['orders', 'stock'], 'release'],
  ] as const) {
    test(rule, async () => {
      let refusals = 0;
      const databases = names.map((name) => new FakeDatabase(name));
      await using story = await CoordinatorStory.begin(databases, {
        watcher: {
          opened: async () => undefined,
          commit: (unit, commit) => {
            const ends = unit.operations.some(
              (each) => each.kind === 'deleteState' && each.key.startsWith('transaction/'),
            );
            return ends && refusals++ < 3 ? Promise.reject(new StoreSyncFailed('EIO')) : commit();
          },
        },
      });
      await story.put('m1');
      const { done, transaction } = await story.handle();
      assert.equal((await done)?.code, key === 'apply' ? 'OUTCOME_UNKNOWN' : undefined);
      assert.deepEqual(await story.waiting('out'), []);
      assert.match((await story.view())[0]?.sentence ?? '', /Its outcome is known \(committed\)/);
      assert.equal(await story.within(10_000, transaction.whenSettled), 'committed');
      await story.machine.advance(10_000);
      assert.deepEqual(await story.waiting('out'), ['m1']);
      assert.deepEqual(await story.state('transaction/'), []);
    });
  }
});
