import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { positionOf } from '../../src/store/store.ts';
import { bodiesOf, HEADERS, put, type StoreFixture, text, WHOLE } from './store-fixture.ts';

/** Reads: pages with their bounds, order, deadlines, state. */
export function testReads(name: string, fixture: StoreFixture): void {
  describe(`${name}: reads`, () => {
    test('a page ends by count and by bytes, holds at least one message, and tells whether it is the last', async (t) => {
      const { store } = await fixture.setup(t);
      await store.commit({ operations: [1, 2, 3, 4].map((position) => put(1, position, 'x'.repeat(100))) });
      await store.commit({ operations: [put(3, 1, 'another place')] });
      const page = async (range: object): Promise<[number[], boolean]> => {
        const { messages, isLast } = await store.readMessages({ ...WHOLE, ...range });
        return [messages.map(({ position }) => position), isLast];
      };
      assert.deepEqual(await page({ countMax: 3 }), [[1, 2, 3], false]);
      assert.deepEqual(await page({ countMax: 4 }), [[1, 2, 3, 4], true]);
      assert.deepEqual(await page({ bytesMax: 1 }), [[1], false]);
      assert.deepEqual(await page({ bytesMax: 250 }), [[1, 2], false]);
      assert.deepEqual(await page({ bytesMax: 250, withBodies: false }), [[1, 2, 3, 4], true]);
      assert.deepEqual(await page({ afterPosition: 2 }), [[3, 4], true]);
      assert.deepEqual(await page({ afterPosition: 1, upToPosition: 3 }), [[2, 3], true]);
      assert.deepEqual(await page({ afterPosition: 4 }), [[], true]);
    });

    test('a read without bodies tells their size', async (t) => {
      const { store } = await fixture.setup(t);
      await store.commit({ operations: [put(1, 1, 'hello')] });
      const [message] = (await store.readMessages({ ...WHOLE, withBodies: false })).messages;
      assert.deepEqual([message?.body, message?.bodyBytes, message?.damaged], [undefined, 5, false]);
      assert.equal(text(message?.headers), HEADERS);
    });

    test('higher priority comes first, and within it the order of sequence', async (t) => {
      const { store } = await fixture.setup(t);
      const at = [
        [3, 1],
        [7, 2],
        [0, 3],
        [3, 4],
        [7, 5],
      ] as const;
      await store.commit({
        operations: at.map(([priority, sequence]) => put(1, positionOf(priority, sequence), `${priority}/${sequence}`)),
      });
      assert.deepEqual(await bodiesOf(store, 1), ['7/2', '7/5', '3/1', '3/4', '0/3']);
    });

    test('what is due is read over all places, earliest first, up to the time and the count', async (t) => {
      const { store } = await fixture.setup(t);
      assert.equal(await store.nextDeadline(0), undefined);
      await store.commit({
        operations: [put(1, 1, 'c', 30), put(2, 1, 'a', 10.5), put(2, 2, 'b', 20), put(1, 2, 'never')],
      });
      const due = async (upToMs: number, countMax: number): Promise<(number | undefined)[]> =>
        (await store.readDue(upToMs, countMax)).map(({ deadlineMs }) => deadlineMs);
      assert.deepEqual(await due(10, 10), []);
      assert.deepEqual(await due(20, 10), [10.5, 20]);
      assert.deepEqual(await due(1000, 2), [10.5, 20]);
      assert.deepEqual(await due(1000, 10), [10.5, 20, 30]);
      assert.equal(await store.nextDeadline(0), 10.5);
      assert.equal(await store.nextDeadline(10.5), 20);
      assert.equal(await store.nextDeadline(30), undefined);
    });

    test('state is read by prefix in key order, in pages', async (t) => {
      const { store } = await fixture.setup(t);
      const keys = ['a/1', 'b/1', 'b/2', 'b/3', 'c/1'];
      await store.commit({ operations: keys.map((key) => ({ kind: 'setState', key, value: `value of ${key}` })) });
      const first = await store.readState({ prefix: 'b/', countMax: 2 });
      assert.deepEqual([first.entries.map(({ key }) => key), first.isLast], [['b/1', 'b/2'], false]);
      const second = await store.readState({ prefix: 'b/', afterKey: 'b/2', countMax: 2 });
      assert.deepEqual([second.entries, second.isLast], [[{ key: 'b/3', value: 'value of b/3' }], true]);
    });
  });
}
