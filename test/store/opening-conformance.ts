import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { positionOf } from '../../src/store/store.ts';
import { bodiesOf, HEADERS, put, type StoreFixture, WHOLE, withCode } from './store-fixture.ts';

/** Opening, closing, the owner, damage found at reading, and the bound on what is on the way. */
export function testOpening(name: string, fixture: StoreFixture): void {
  describe(`${name}: opening and closing`, () => {
    test('what was committed is there after close and open, with its counts, and sequences go on', async (t) => {
      const { store, directory } = await fixture.setup(t);
      await store.commit({ operations: [put(1, positionOf(3, 41), 'abc'), put(1, positionOf(7, 40), 'de')] });
      await store.commit({
        operations: [
          { kind: 'move', place: 1, position: positionOf(7, 40), toPlace: 3, toPosition: positionOf(3, 42) },
        ],
      });
      await store.close();
      const again = await fixture.open(directory);
      assert.equal(again.opened.storeId, store.opened.storeId);
      assert.equal(again.opened.wasClosedCleanly, true);
      assert.equal(again.opened.nextSequence, 43);
      assert.deepEqual(again.opened.places, [
        { place: 1, kind: 'queue', queue: 'orders', messageCount: 1, byteCount: HEADERS.length + 3 },
        { place: 2, kind: 'delayed', queue: 'orders', messageCount: 0, byteCount: 0 },
        { place: 3, kind: 'queue', queue: 'error', messageCount: 1, byteCount: HEADERS.length + 2 },
      ]);
      assert.deepEqual(await bodiesOf(again, 3), ['de']);
      await again.close();
    });

    test('close waits for what is on the way, may be called twice, and nothing is taken after it', async (t) => {
      const { store, directory } = await fixture.setup(t);
      const commits = [1, 2, 3].map((position) => store.commit({ operations: [put(1, position, 'x')] }));
      await Promise.all([store.close(), store.close(), ...commits]);
      await assert.rejects(store.commit({ operations: [] }), withCode('STORE_CLOSED'));
      await assert.rejects(store.readMessages(WHOLE), withCode('STORE_CLOSED'));
      const again = await fixture.open(directory);
      assert.deepEqual(await bodiesOf(again, 1), ['x', 'x', 'x']);
      await again.close();
    });

    test('fault 17: a second opener is told the owner and changes nothing', async (t) => {
      const { store, directory } = await fixture.setup(t);
      const before = readFileSync(join(directory, 'owner.json'));
      await assert.rejects(fixture.open(directory), (error) => {
        assert.ok(withCode('STORE_OWNED')(error));
        assert.match(String(error), new RegExp(`process ${process.pid} on `));
        return true;
      });
      assert.deepEqual(readFileSync(join(directory, 'owner.json')), before);
      await store.commit({ operations: [put(1, 1, 'still mine')] });
      await store.close();
      const again = await fixture.open(directory);
      assert.deepEqual(await bodiesOf(again, 1), ['still mine']);
      await again.close();
    });

    test('S8, fault 6: a message whose bytes changed on disk is handed over as damaged, alone', async (t) => {
      const { store, directory } = await fixture.setup(t);
      await store.commit({ operations: ['one', 'two', 'three'].map((body, index) => put(1, index, `body-${body}`)) });
      await store.close();
      flipBit(join(directory, 'posthorn.db'), 'body-two');
      const again = await fixture.open(directory);
      const { messages } = await again.readMessages(WHOLE);
      assert.deepEqual(
        messages.map((message) => [message.damaged, message.bodyBytes]),
        [
          [false, 8],
          [true, 8],
          [false, 10],
        ],
      );
      await again.commit({ operations: [{ kind: 'move', place: 1, position: 1, toPlace: 3, toPosition: 1 }] });
      await again.close();
    });

    test('a closed directory holds the database, its owner record and nothing that grows', async (t) => {
      const { store, directory } = await fixture.setup(t);
      await store.close();
      assert.deepEqual(
        readdirSync(directory)
          .filter((file) => file !== 'reserve')
          .sort(),
        ['owner.json', 'posthorn.db'],
      );
    });
  });

  describe(`${name}: admission`, () => {
    test('S9: what is on the way is bounded, and everyone who waits is let in', async (t) => {
      const { store, directory } = await fixture.setup(t);
      let onTheWay = 0;
      let onTheWayMax = 0;
      const send = async (position: number): Promise<void> => {
        const wait = store.admission();
        if (wait !== undefined) await wait;
        onTheWay++;
        onTheWayMax = Math.max(onTheWayMax, onTheWay);
        await store.commit({ operations: [put(1, position, 'x')] });
        onTheWay--;
      };
      await Promise.all(Array.from({ length: 25_000 }, (_, position) => send(position)));
      assert.ok(onTheWayMax <= 10_000, `${onTheWayMax} units were on the way`);
      assert.ok(onTheWayMax > 1_000, `only ${onTheWayMax} units were on the way`);
      await store.close();
      const again = await fixture.open(directory);
      assert.equal(again.opened.places[0]?.messageCount, 25_000);
      await again.close();
    });

    test('S9: large units are bounded by their bytes', async (t) => {
      const { store } = await fixture.setup(t);
      const body = Buffer.alloc(1_000_000);
      let bytesOnTheWay = 0;
      let bytesMax = 0;
      const send = async (position: number): Promise<void> => {
        const wait = store.admission();
        if (wait !== undefined) await wait;
        bytesOnTheWay += body.length;
        bytesMax = Math.max(bytesMax, bytesOnTheWay);
        await store.commit({ operations: [{ kind: 'put', place: 1, position, message: { headers: HEADERS, body } }] });
        bytesOnTheWay -= body.length;
      };
      await send(0);
      await Promise.all(Array.from({ length: 80 }, (_, index) => send(index + 1)));
      assert.ok(bytesMax <= 36 * 1024 * 1024, `${bytesMax} bytes were on the way`);
    });
  });
}

function flipBit(path: string, near: string): void {
  const bytes = readFileSync(path);
  const at = bytes.indexOf(near);
  assert.notEqual(at, -1, `'${near}' is in the file`);
  bytes[at + 1] = (bytes[at + 1] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
}
