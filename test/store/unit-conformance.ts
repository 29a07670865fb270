import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Operation } from '../../src/store/store.ts';
import { bodiesOf, HEADERS, put, readAll, type StoreFixture, text, WHOLE, withCode } from './store-fixture.ts';

/** Units of work: whole or not at all, in order, answered in order, every byte kept. */
export function testUnits(name: string, fixture: StoreFixture): void {
  describe(`${name}: units of work`, () => {
    test('S2, S4: a unit of every kind of operation is there when its commit has resolved', async (t) => {
      const { store } = await fixture.setup(t);
      await store.commit({ operations: [put(1, 10, 'kept'), put(1, 11, 'moved'), put(1, 12, 'removed')] });
      await store.commit({
        operations: [
          { kind: 'move', place: 1, position: 11, toPlace: 2, toPosition: 7, deadlineMs: 500 },
          { kind: 'remove', place: 1, position: 12 },
          { kind: 'setState', key: 'operation/1', value: 'begun' },
          { kind: 'setState', key: 'operation/2', value: 'gone' },
          { kind: 'deleteState', key: 'operation/2' },
          { kind: 'addToCounter', key: 'handled/a', amount: 3 },
          { kind: 'addToCounter', key: 'handled/a', amount: -5 },
        ],
      });
      assert.deepEqual(await bodiesOf(store, 1), ['kept']);
      const [moved] = (await store.readMessages({ ...WHOLE, place: 2 })).messages;
      assert.deepEqual([moved?.position, moved?.deadlineMs, text(moved?.body)], [7, 500, 'moved']);
      const { entries } = await store.readState({ prefix: '', countMax: 10 });
      assert.deepEqual(entries, [
        { key: 'handled/a', value: '-2' },
        { key: 'operation/1', value: 'begun' },
      ]);
    });

    test('S2, S4: messages are put into a place of held sends, and moved or removed out of it; it is found at open', async (t) => {
      const { store, directory } = await fixture.setup(t);
      await store.commit({
        operations: [
          { kind: 'createPlace', place: 9, placeKind: 'held', queue: '' },
          ...['kept', 'moved', 'removed'].map((body, index) => put(9, 100 + index, body)),
        ],
      });
      await store.commit({
        operations: [
          { kind: 'move', place: 9, position: 101, toPlace: 1, toPosition: 200, deadlineMs: 500 },
          { kind: 'remove', place: 9, position: 102 },
        ],
      });
      assert.deepEqual([await bodiesOf(store, 9), await bodiesOf(store, 1)], [['kept'], ['moved']]);
      await store.close();
      const again = await fixture.open(directory);
      t.after(() => again.close());
      const { opened } = again;
      const byteCount = HEADERS.length + 'kept'.length;
      assert.deepEqual(opened.places.at(-1), { place: 9, kind: 'held', queue: '', messageCount: 1, byteCount });
      assert.equal(opened.nextSequence, 201);
    });

    for (const [contradiction, operation] of Object.entries(CONTRADICTIONS)) {
      test(`S2: a unit that ${contradiction} is refused whole, and its neighbours are not`, async (t) => {
        const { store } = await fixture.setup(t);
        await store.commit({ operations: [put(1, 1, 'first'), put(1, 2, 'second')] });
        const before = store.commit({ operations: [put(1, 3, 'before'), addTo('counter/x', 1)] });
        const refused = store.commit({ operations: [put(1, 4, 'half'), addTo('counter/x', 10), operation] });
        const behind = store.commit({ operations: [put(1, 5, 'behind'), addTo('counter/x', 100)] });
        await assert.rejects(refused, withCode('UNIT_CONTRADICTS_STORE'));
        await Promise.all([before, behind]);
        assert.deepEqual(await bodiesOf(store, 1), ['first', 'second', 'before', 'behind']);
        const { entries } = await store.readState({ prefix: 'counter/', countMax: 1 });
        assert.deepEqual(entries, [{ key: 'counter/x', value: '101' }]);
        await store.close();
      });
    }

    test('an operation that is not valid rejects the commit and takes nothing of the unit', async (t) => {
      const { store } = await fixture.setup(t);
      const invalid = store.commit({ operations: [put(1, 1, 'a'), put(0, 1, 'b')] });
      await assert.rejects(invalid, withCode('INVARIANT_BROKEN'));
      await assert.rejects(store.commit({ operations: [put(1, 2 ** 48, 'b')] }));
      await assert.rejects(store.commit({ operations: [put(1, 1.5, 'b')] }));
      await store.commit({ operations: [put(1, 1, 'c')] });
      assert.deepEqual(await bodiesOf(store, 1), ['c']);
    });

    test('S3: units take effect in the order in which they were handed over', async (t) => {
      const { store } = await fixture.setup(t);
      const commits: Promise<void>[] = [];
      for (let step = 1; step <= 300; step++) {
        // Each unit only fits after the one before it.
        const takeLast: Operation[] = step === 1 ? [] : [{ kind: 'remove', place: 1, position: step - 1 }];
        commits.push(store.commit({ operations: [...takeLast, put(1, step, String(step))] }));
        if (step % 70 === 0) await commits.at(-1);
      }
      await Promise.all(commits);
      assert.deepEqual(await bodiesOf(store, 1), ['300']);
    });

    test('S1, S4: a unit that can wait is written by itself, and a read after its answer finds it', async (t) => {
      const { store } = await fixture.setup(t);
      for (const bodies of [['1'], ['1', '2'], ['1', '2', '3']]) {
        const position = bodies.length;
        await store.commit({ operations: [put(1, position, String(position))], canWait: true });
        assert.deepEqual(await bodiesOf(store, 1), bodies);
      }
    });

    test('S3: a unit that can wait keeps its place among those that cannot, and is answered in it', async (t) => {
      const { store } = await fixture.setup(t);
      const answered: number[] = [];
      const commits: Promise<unknown>[] = [];
      for (let step = 1; step <= 300; step++) {
        const takeLast: Operation[] = step === 1 ? [] : [{ kind: 'remove', place: 1, position: step - 1 }];
        const unit = { operations: [...takeLast, put(1, step, String(step))], canWait: step % 4 !== 0 };
        commits.push(store.commit(unit).then(() => answered.push(step)));
        if (step % 70 === 0) await commits.at(-1);
      }
      await Promise.all(commits);
      assert.deepEqual(
        answered,
        commits.map((_, index) => index + 1),
      );
      assert.deepEqual(await bodiesOf(store, 1), ['300']);
    });

    test('S2: a unit that can wait and contradicts what is stored is refused alone', async (t) => {
      const { store } = await fixture.setup(t);
      const before = store.commit({ operations: [put(1, 1, 'before')], canWait: true });
      const refused = store.commit({ operations: [put(1, 2, 'half'), put(1, 1, 'twice')], canWait: true });
      const behind = store.commit({ operations: [put(1, 3, 'behind')] });
      await assert.rejects(refused, withCode('UNIT_CONTRADICTS_STORE'));
      await Promise.all([before, behind]);
      assert.deepEqual(await bodiesOf(store, 1), ['before', 'behind']);
    });

    test('closing writes the units that can wait, and resolves them', async (t) => {
      const { store, directory } = await fixture.setup(t);
      const commits = [1, 2].map((position) =>
        store.commit({ operations: [put(1, position, String(position))], canWait: true }),
      );
      await Promise.all([store.close(), ...commits]);
      const again = await fixture.open(directory);
      t.after(() => again.close());
      assert.deepEqual(await bodiesOf(again, 1), ['1', '2']);
    });

    test('S5: a read is delivered before the answer of any unit that was not yet in it', async (t) => {
      const { store } = await fixture.setup(t);
      let answered = 0;
      let wholeReads = 0;
      const running: Promise<unknown>[] = [];
      for (let unit = 1; unit <= 400; unit++) {
        running.push(
          store.commit({ operations: [put(1, unit, 'x')] }).then(() => {
            answered = Math.max(answered, unit);
          }),
        );
        if (unit % 3 === 0) {
          running.push(
            store
              .readMessages({ ...WHOLE, afterPosition: Math.max(0, unit - 50), countMax: 100 })
              .then(({ messages, isLast }) => {
                const read = messages.at(-1)?.position ?? Math.max(0, unit - 50);
                // A page that was cut by time, on a busy machine, says nothing about what came after it.
                if (!isLast) return;
                wholeReads++;
                assert.ok(answered <= read, `unit ${answered} was answered before a read that ends with ${read}`);
              }),
          );
        }
        if (unit % 40 === 0) await running[unit % running.length];
      }
      await Promise.all(running);
      assert.ok(wholeReads > 0, 'some reads came to the end');
    });

    test('an empty unit resolves after what was handed over before it', async (t) => {
      const { store } = await fixture.setup(t);
      const order: string[] = [];
      const first = store.commit({ operations: [put(1, 1, 'x')] }).then(() => order.push('unit'));
      const second = store.commit({ operations: [put(1, 2, 'x')], canWait: true }).then(() => order.push('waiting'));
      const third = store.commit({ operations: [] }).then(() => order.push('empty'));
      await Promise.all([first, second, third]);
      assert.deepEqual(order, ['unit', 'waiting', 'empty']);
    });

    test('the arrays of a message are copied before commit returns', async (t) => {
      const { store } = await fixture.setup(t);
      const body = Buffer.from('before');
      const headers = Buffer.from('{"a":1}');
      const committed = store.commit({
        operations: [{ kind: 'put', place: 1, position: 1, message: { headers, body } }],
      });
      body.fill('x');
      headers.fill('x');
      await committed;
      const [message] = (await store.readMessages(WHOLE)).messages;
      assert.deepEqual([text(message?.headers), text(message?.body)], ['{"a":1}', 'before']);
    });

    test('a message keeps every byte: empty, large, and text beyond ASCII', async (t) => {
      const { store } = await fixture.setup(t);
      const large = Buffer.alloc(5_000_000, 'abc\0');
      const headers = '{"name":"Zoë 🚂 \\u0000"}';
      await store.commit({
        operations: [
          { kind: 'put', place: 1, position: 0, message: { headers: '', body: new Uint8Array(0) } },
          { kind: 'put', place: 1, position: 2 ** 48 - 1, message: { headers, body: large } },
        ],
      });
      const messages = await readAll(store, 1);
      assert.deepEqual(
        messages.map((message) => [message.position, text(message.headers), message.bodyBytes, message.damaged]),
        [
          [0, '', 0, false],
          [2 ** 48 - 1, headers, large.length, false],
        ],
      );
      assert.ok(large.equals(messages[1]?.body ?? Buffer.alloc(0)));
    });
  });
}

function addTo(key: string, amount: number): Operation {
  return { kind: 'addToCounter', key, amount };
}

const CONTRADICTIONS: Readonly<Record<string, Operation>> = {
  'takes away a message that is not there': { kind: 'remove', place: 1, position: 99 },
  'moves a message that is not there': { kind: 'move', place: 1, position: 99, toPlace: 3, toPosition: 1 },
  'puts a second message on a position': put(1, 2, 'twice'),
  'moves a message onto another': { kind: 'move', place: 1, position: 1, toPlace: 1, toPosition: 2 },
  'names an unknown place': put(9, 1, 'nowhere'),
  'moves to an unknown place': { kind: 'move', place: 1, position: 1, toPlace: 9, toPosition: 1 },
  'makes a place twice': { kind: 'createPlace', place: 1, placeKind: 'queue', queue: 'again' },
};
